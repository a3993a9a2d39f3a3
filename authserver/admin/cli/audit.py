"""`authserver audit list`: what happened, who did it, and when."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import click

from authserver.admin import audit as use_cases
from authserver.admin import users
from authserver.admin.cli.output import iso, json_option, moment, print_json, print_table
from authserver.admin.cli.programs import Invocation, pass_invocation
from authserver.admin.cli.types import AGE, since
from authserver.admin.errors import Invalid, NotFound
from authserver.audit import Event, Search
from authserver.database import AnyRow


@click.group()
def audit() -> None:
    """Read the audit record: each security act, written in the transaction of the act."""


@audit.command("list")
@click.option("--session", "session_id", type=click.UUID, help="Of this session.")
@click.option("--user", help="Of this user: name, e-mail address, or id (also of one that was removed).")
@click.option("--client", "client_id", metavar="CLIENT_ID", help="Of this client.")
@click.option("--event", metavar="EVENT", help="Such as session.reuse, or session for all of that noun.")
@click.option("--since", "since_text", type=AGE, metavar="AGE|TIME", help="Such as 15m, 7d or 2026-01-31T12:00Z.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most so many.")
@json_option
@pass_invocation
def list_(
    invocation: Invocation,
    /,
    session_id: UUID | None,
    client_id: str | None,
    limit: int,
    *,
    as_json: bool,
    **options: str | None,
) -> None:
    """List events, newest first.

    \b
    Examples:
      authserver audit list --user anna --since 7d
      authserver audit list --event session.reuse --json
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    event, when = options["event"], options["since_text"]
    _check_event(event)
    with invocation.administration() as admin:
        user_id = None if options["user"] is None else _user_id(admin, options["user"])
        start = None if when is None else since(when, admin.database.now())
        rows = use_cases.find(admin, Search(event, client_id, user_id, session_id, start), limit=limit)
    if as_json:
        print_json([_as_document(row) for row in rows])
        return
    columns = ("time", "event", "actor", "client", "user", "session", "address", "detail")
    table = [
        (
            moment(row.at), row.event, row.actor, row.client_id, row.user_id, row.session_id, row.address,
            _detail(row),
        )
        for row in rows
    ]  # fmt: skip
    print_table(columns, table, empty="There are no such events.")
    if len(rows) == limit:
        click.echo(f"There may be more: these are the newest {limit:,} (--limit).", err=True)


def _check_event(event: str | None) -> None:
    if event is None or any(event in (known.value, known.value.split(".")[0]) for known in Event):
        return
    raise Invalid([f"there is no event {event!r}; there are {', '.join(sorted(known.value for known in Event))}"])


def _user_id(admin: Any, user: str) -> UUID:
    try:
        found: UUID = users.find(admin, user).id
    except NotFound:
        try:
            return UUID(user)  # of a user who was removed, name and all
        except ValueError:
            pass
        raise
    return found


def _detail(row: AnyRow) -> str:
    words = [f"subject={row.subject}"] if row.subject else []
    words += [f"{name}={json.dumps(value)}" for name, value in json.loads(row.detail).items()]
    return " ".join(words)


def _as_document(row: AnyRow) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "at": iso(row.at),
        "event": row.event,
        "actor": row.actor,
        "subject": row.subject,
        "client_id": row.client_id,
        "user_id": None if row.user_id is None else str(row.user_id),
        "session_id": None if row.session_id is None else str(row.session_id),
        "address": row.address,
        "user_agent": row.user_agent,
        "detail": json.loads(row.detail),
    }
