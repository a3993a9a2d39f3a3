"""`authserver audit`: list and export audit events."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from uuid import UUID

import click

from authserver.administration import audit as use_cases
from authserver.administration import users
from authserver.administration.context import Administration
from authserver.administration.errors import NotFound
from authserver.cli.output import counted, end_progress, moment, progress
from authserver.cli.programs import Invocation, pass_invocation, with_json
from authserver.cli.types import SINCE, with_options
from authserver.records.audit import AuditRecord, Search

_searching = with_options(
    click.option("--session", "session_id", type=click.UUID, help="Of this session."),
    click.option("--user", help="Of this user: name, e-mail address, or id (also of one that was removed)."),
    click.option("--client", "client_id", metavar="CLIENT_ID", help="Of this client."),
    click.option("--event", metavar="EVENT", help="Such as session.reuse, or session for all of that noun."),
    click.option("--actor", metavar="ACTOR", help="Who acted: such as cli:root, or cli for all of that kind."),
    click.option("--subject", metavar="SUBJECT", help="The API (its audience) or key (its number) that was acted on."),
    click.option("--since", type=SINCE, metavar="AGE|TIME", help="Such as 15m, 7d or 2026-01-31T12:00Z."),
    click.option("--until", type=SINCE, metavar="AGE|TIME", help="Before this time; written as --since."),
)


@click.group()
def audit() -> None:
    """Read the audit record. Each event was written in the transaction of its act."""


@audit.command("list")
@_searching
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most so many.")
@with_json
def list_(invocation: Invocation, /, limit: int, **options: Any) -> None:
    """List events, newest first.

    \b
    Examples:
      authserver audit list --user anna --since 7d
      authserver audit list --event session.reuse --json
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    rows = use_cases.find(invocation.admin, _search(invocation.admin, **options), limit=limit)
    columns = ("time", "event", "outcome", "actor", "client", "user", "session", "address", "detail")
    table = [
        (
            moment(row.at), row.event, row.outcome, row.actor, row.client_id, row.user_id, row.session_id, row.address,
            _detail(row),
        )
        for row in rows
    ]  # fmt: skip
    documents = [use_cases.as_document(row) for row in rows]
    invocation.print_list(documents, columns, table, "There are no such events.", limit)


@audit.command()
@_searching
@pass_invocation
def export(invocation: Invocation, /, **options: Any) -> None:
    """Write all events to standard output as JSON lines, oldest first.

    \b
    Examples:
      authserver audit export > audit.jsonl
      authserver audit export --since 2026-01-01 --until 2026-02-01 | gzip > january.jsonl.gz
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    tell = progress("exported")
    count = 0
    for row in use_cases.export(invocation.admin, _search(invocation.admin, **options)):
        click.echo(json.dumps(use_cases.as_document(row), ensure_ascii=False))
        count += 1
        if count % 1000 == 0:
            tell(count)
    end_progress()
    click.echo(f"Exported {counted(count, 'event')}.", err=True)


def _search(admin: Administration, **options: Any) -> Search:
    now = admin.database.now()
    since, until = (None if options[name] is None else options[name](now) for name in ("since", "until"))
    user_id = None if options["user"] is None else _user_id(admin, options["user"])
    return Search(
        options["event"], options["client_id"], user_id, options["session_id"], since, until,
        options["actor"], options["subject"],
    )  # fmt: skip


def _user_id(admin: Administration, user: str) -> UUID:
    try:
        return users.find(admin, user).id
    except NotFound:
        with suppress(ValueError):
            return UUID(user)  # of a user who was removed
        raise


def _detail(row: AuditRecord) -> str:
    words = [f"{name}={value}" for name in ("subject", "reference") if (value := getattr(row, name))]
    words += [f"{name}={json.dumps(value)}" for name, value in json.loads(row.detail).items()]
    return " ".join(words)
