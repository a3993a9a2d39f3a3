"""The audit record: a list, newest event first, or an export as JSON lines, oldest first."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field

from authserver.admin_api import paging
from authserver.admin_api.problems import INVALID, FieldProblem, Problem
from authserver.admin_api.route import Document, Line, NextPage, Parameters, Route, Text
from authserver.administration import audit as use_cases
from authserver.administration.context import Administration
from authserver.records.audit import Position, Search

JSON_LINES: Final = "application/jsonl"
_SCOPE: Final = "authserver:audit:read"
_MOST_LINES: Final = 10_000

UuidText = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Moment = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})$"
    ),
]


class AuditEvent(Document):
    """One act that concerns security. `detail` depends on the event; it never holds a token, a password or a secret."""

    id: str
    at: str
    event: str
    outcome: str
    actor: str
    subject: str | None
    client_id: str | None
    user_id: str | None
    session_id: str | None
    address: str | None
    user_agent: str | None
    reference: str | None
    detail: dict[str, Any]


class AuditEventList(NextPage):
    """A page of events, newest first."""

    items: list[AuditEvent]


class _EventFilter(Parameters):
    event: Annotated[Line, Field(max_length=40)] | None = Field(
        default=None, description="Such as session.reuse, or session for all events about sessions."
    )
    client_id: Annotated[Line, Field(max_length=32)] | None = None
    user_id: UuidText | None = None
    session_id: UuidText | None = None
    actor: Annotated[Line, Field(max_length=100)] | None = Field(
        default=None, description="Such as user:<id>, or user for all users."
    )
    subject: Annotated[Line, Field(max_length=255)] | None = None
    since: Moment | None = Field(default=None, description="ISO 8601, with its offset from UTC.")
    until: Moment | None = Field(default=None, description="ISO 8601. Events at this time are not included.")


class AuditEventQuery(_EventFilter, paging.Page):
    """Which events to list."""


class AuditExportQuery(_EventFilter):
    """Which events to export."""

    after: Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9_-]+$")] | None = Field(
        default=None, description="Continue the export before: the value of its header Next-After."
    )
    limit: Annotated[int, Field(ge=1, le=_MOST_LINES)] = _MOST_LINES


def list_(admin: Administration, query: AuditEventQuery) -> AuditEventList:
    rows = use_cases.find(admin, _search(query), limit=query.limit + 1, before=_place(query.cursor))
    kept, following = paging.cut(rows, query, lambda row: f"{row.at}.{row.id}")
    items = [AuditEvent.model_validate(use_cases.as_document(row)) for row in kept]
    return AuditEventList(items=items, next=following)


def export(admin: Administration, query: AuditExportQuery) -> Text:
    rows = list(islice(use_cases.export(admin, _search(query), after=_place(query.after)), query.limit))
    lines = "".join(json.dumps(use_cases.as_document(row), ensure_ascii=False) + "\n" for row in rows)
    headers = {}
    if len(rows) == query.limit:
        headers["Next-After"] = paging.encode(f"{rows[-1].at}.{rows[-1].id}")
    return Text(lines, headers)


def _search(query: _EventFilter) -> Search:
    return Search(
        event=query.event,
        client_id=query.client_id,
        user_id=None if query.user_id is None else UUID(query.user_id),
        session_id=None if query.session_id is None else UUID(query.session_id),
        actor=query.actor,
        subject=query.subject,
        since=_milliseconds("since", query.since),
        until=_milliseconds("until", query.until),
    )


def _milliseconds(name: str, text: str | None) -> int | None:
    try:
        return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        wrong = FieldProblem("there is no such day or hour", parameter=name)
        raise Problem(INVALID, "A time that is asked for does not exist.", [wrong]) from None


def _place(cursor: str | None) -> Position | None:
    key = paging.decode(cursor)
    if key is None:
        return None
    at, _, id_ = key.partition(".")
    try:
        if not at.isascii() or not at.isdecimal() or len(at) > 15:
            raise ValueError(at)
        return Position(int(at), UUID(id_))
    except ValueError:
        raise paging.bad_cursor() from None


ROUTES: Final = (
    Route("GET", "/audit-events", _SCOPE, "List audit events, newest first", list_, "A page"),
    Route(
        "GET", "/audit-events/export", _SCOPE, "Export audit events as JSON lines", export,
        "One event a line, the oldest first", content_type=JSON_LINES, errors={422},
        description="An answer has at most 10,000 lines. If there are more, its header `Next-After` is the next `after`.",
    ),
)  # fmt: skip
