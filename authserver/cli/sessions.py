"""`authserver sessions`: list and revoke."""

from __future__ import annotations

from uuid import UUID

import click

from authserver.administration import sessions as use_cases
from authserver.administration.words import session_state
from authserver.cli.output import confirm, counted, end_progress, moment, progress, yes_option
from authserver.cli.programs import Invocation, with_json
from authserver.sessions.document import as_document
from authserver.sessions.model import SessionRecord

_user_option = click.option("--user", help="Of this user: name, e-mail address or id.")
_client_option = click.option("--client", metavar="CLIENT_ID", help="Of this client.")


@click.group()
def sessions() -> None:
    """List sessions, and end them."""


@sessions.command("list")
@_user_option
@_client_option
@click.option("--all", "include_ended", is_flag=True, help="Ended sessions too, while their rows are kept.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most so many.")
@with_json
def list_(invocation: Invocation, user: str | None, client: str | None, limit: int, *, include_ended: bool) -> None:
    """List sessions, newest first.

    \b
    Examples:
      authserver sessions list --user anna
      authserver sessions list --client shop --all --json
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    which = use_cases.whose(invocation.admin, user=user, client=client)
    rows = use_cases.find_all(invocation.admin, which, include_ended=include_ended, limit=limit)
    names = use_cases.usernames(invocation.admin, {row.user_id for row in rows})
    columns = ("id", "user", "client", "started", "last used", "device", "address", "state")
    table = [
        (
            row.id, names.get(row.user_id, row.user_id), row.client_id, moment(row.created_at),
            moment(row.last_used_at), row.device_name, row.last_address, state(row),
        )
        for row in rows
    ]  # fmt: skip
    empty = "There are no sessions." if include_ended else "There are no live sessions."
    documents = [as_document(row, names.get(row.user_id)) for row in rows]
    invocation.print_list(documents, columns, table, empty, limit)


@sessions.command()
@click.argument("session_id", type=click.UUID, required=False)
@_user_option
@_client_option
@yes_option
@with_json
def revoke(
    invocation: Invocation,
    session_id: UUID | None,
    user: str | None,
    client: str | None,
    *,
    yes: bool,
) -> None:
    """End one session, or all of a user, of a client, or of a user with a client.

    With --user alone the user is also signed out of the server's own pages. Refreshes fail at once. APIs that check
    tokens alone notice with their next status list, or when the access token expires.

    \b
    Examples:
      authserver sessions revoke 01890a5d-ac96-774b-bcce-b302099a8057
      authserver sessions revoke --user anna
      authserver sessions revoke --client shop --yes
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    named = user is not None or client is not None
    if (session_id is None) != named:
        raise click.UsageError("give the id of one session, or --user, --client or both")
    if session_id is not None:
        ended = use_cases.revoke(invocation.admin, session_id)
        text = "Ended the session." if ended else "The session had ended before; nothing was changed."
        invocation.done(text, sessions_ended=int(ended))
        return
    which = use_cases.whose(invocation.admin, user=user, client=client)
    count = use_cases.count_live(invocation.admin, which)
    if count == 0 and client is not None:
        invocation.done("There are no live sessions; nothing was changed.", sessions_ended=0)
        return
    if count > 1:
        confirm(f"End {counted(count, 'session')}?", yes=yes)
    total = use_cases.revoke_all(invocation.admin, which, progress("sessions ended"))
    end_progress()
    invocation.done(f"Ended {counted(total, 'session')}.", sessions_ended=total)


def state(row: SessionRecord) -> str:
    """The state for people, with the reason of an end."""
    found = session_state(row)
    return "live" if found.is_live else f"{found.name} {moment(found.since)}: {found.why}"
