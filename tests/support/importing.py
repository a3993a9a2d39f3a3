"""Imports users from a text into a database, and exports them, without a command."""

from __future__ import annotations

import io

from authserver.administration import users, users_import
from authserver.administration.context import Administration
from authserver.administration.users_import import Tally
from authserver.administration.users_lines import Format, Problem
from authserver.records.audit import Caller

CALLER = Caller("192.0.2.7", "a browser")


def import_text(
    admin: Administration, text: str | bytes, form: Format = "csv", *, dry_run: bool = False, batch: int = 500
) -> tuple[Tally, list[Problem]]:
    """Import a text; returns the last tally and all problems."""
    source = io.BytesIO(text if isinstance(text, bytes) else text.encode())
    steps = list(users_import.import_users(admin, source, form, dry_run=dry_run, batch=batch))
    return steps[-1].tally, [problem for step in steps for problem in step.problems]


def exported(admin: Administration, form: Format = "csv", *, hashes: bool = True, with_ids: bool = False) -> str:
    return "".join(users_import.export_users(admin, form, with_password_hashes=hashes, with_ids=with_ids))


def names(admin: Administration) -> set[str]:
    return {row.username for row in users.find_all(admin)}
