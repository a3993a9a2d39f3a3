"""Import users from lines of CSV or JSON, a thousand a request. The command line takes files of any size."""

from __future__ import annotations

import io
from dataclasses import asdict
from itertools import islice
from typing import Final, Literal

from flask import request
from pydantic import Field

from authserver.admin_api.audit_events import JSON_LINES
from authserver.admin_api.problems import TOO_LARGE, Problem
from authserver.admin_api.route import Document, Parameters, Route
from authserver.administration import users_import as use_cases
from authserver.administration import users_lines
from authserver.administration.context import Administration

_CSV: Final = "text/csv"
#: A line may need a hash, which takes tens of milliseconds: more lines would hold a thread of the worker too long.
_MOST_LINES = 1000
_MOST_BYTES = 2 * 1024 * 1024


class ImportQuery(Parameters):
    """How to import."""

    dry_run: bool = Field(default=False, description="Change nothing; report what would be done.")


class LineProblem(Document):
    """What is wrong with a line."""

    line: int
    field: str
    detail: str


class ImportReport(Document):
    """The result. A line with a problem was left out; the users of all other lines that were read are there."""

    dry_run: bool
    lines: int
    added: int
    present: int
    refused: int
    without_password: int
    stopped_at: int | None = Field(
        description="The first line of a CSV record so broken that nothing after it was read."
    )
    problems: list[LineProblem]


def import_(admin: Administration, content: bytes, query: ImportQuery) -> ImportReport:
    form: Literal["csv", "jsonl"] = "csv" if request.mimetype == _CSV else "jsonl"
    lines = islice(users_lines.read(io.BytesIO(content), form), _MOST_LINES + 1)
    if sum(1 for _ in lines) > _MOST_LINES:
        raise Problem(TOO_LARGE, f"A request has at most {_MOST_LINES:,} lines. Send the others in further requests.")
    tally, problems = use_cases.Tally(), []
    for step in use_cases.import_users(admin, io.BytesIO(content), form, dry_run=query.dry_run):
        tally = step.tally
        problems += [LineProblem(line=p.line, field=p.field, detail=p.text) for p in step.problems]
    counts = asdict(tally)
    del counts["plain_passwords"]  # tells why a large file takes long
    return ImportReport(dry_run=query.dry_run, problems=problems, **counts)


ROUTES: Final = (
    Route(
        "POST", "/users/import", "authserver:users:write", "Import users", import_, "The report",
        body_types=(_CSV, JSON_LINES), max_body_bytes=_MOST_BYTES,
        description="As `authserver users import`. A repetition adds no user twice. A body has at most 1,000 lines and 2 MiB. "
        "A line with a plain password, or with a hash that is fast to guess, takes tens of milliseconds.",
    ),
)  # fmt: skip
