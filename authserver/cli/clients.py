"""`authserver clients`: list, show, disable, enable, rotate-secret, remove. `add` and `edit` are in clients_register."""

from __future__ import annotations

import click

from authserver.administration import clients as use_cases
from authserver.cli.clients_print import as_document, handed_out, print_client
from authserver.cli.clients_register import add, edit
from authserver.cli.output import confirm, counted, end_progress, moment, progress, span, state_of, yes_option
from authserver.cli.programs import Invocation, with_json
from authserver.cli.types import DURATION

_NONE_YET = (
    "There are no clients yet. Register an API first (authserver apis add --help), then a client:\n"
    '  authserver clients add --kind web --name "My app" --scope SCOPE --allow-password-grant'
)


@click.group()
def clients() -> None:
    """Register the apps that may ask for tokens, and rotate their secrets."""


clients.add_command(add)
clients.add_command(edit)


@clients.command("list")
@with_json
def list_(invocation: Invocation) -> None:
    """List all clients."""
    rows = use_cases.find_all(invocation.admin)
    columns = ("client_id", "name", "kind", "grants", "scopes", "state")
    table = [(row.client_id, row.name, row.kind, row.grants, row.scopes, state_of(row)) for row in rows]
    invocation.print_list([as_document(row) for row in rows], columns, table, _NONE_YET)


@clients.command()
@click.argument("client_id")
@with_json
def show(invocation: Invocation, client_id: str) -> None:
    """Show a client. Its secret cannot be shown."""
    print_client(invocation, use_cases.find(invocation.admin, client_id))


@clients.command()
@click.argument("client_id")
@yes_option
@with_json
def disable(invocation: Invocation, client_id: str, *, yes: bool) -> None:
    """Disable a client and end its sessions.

    Every node knows it within 5 seconds. Enabling the client again restores no session: its users sign in again.
    """
    use_cases.find(invocation.admin, client_id)
    confirm(f"Disable {client_id} and sign out all of its users?", yes=yes)
    ended = use_cases.disable(invocation.admin, client_id, progress("sessions ended"))
    end_progress()
    text = f"Disabled {client_id}; ended {counted(ended, 'session')}."
    invocation.done(text, client_id=client_id, enabled=False, sessions_ended=ended)


@clients.command()
@click.argument("client_id")
@with_json
def enable(invocation: Invocation, client_id: str) -> None:
    """Enable a client again. Sessions that were ended stay ended."""
    use_cases.enable(invocation.admin, client_id)
    text = f"Enabled {client_id}. Its users sign in again: ended sessions stay ended."
    invocation.done(text, client_id=client_id, enabled=True)


@clients.command("rotate-secret")
@click.argument("client_id")
@click.option(
    "--overlap",
    type=DURATION,
    default="24h",
    show_default=True,
    help="How long the old secret stays valid beside the new one; 0 ends it at once.",
)
@with_json
def rotate_secret(invocation: Invocation, client_id: str, overlap: int) -> None:
    """Give a client a new secret, shown once and never again.

    During the overlap both secrets work, so the client can change over without a failed request. Any older secret ends
    now.

    \b
    Examples:
      authserver clients rotate-secret billing
      authserver clients rotate-secret billing --overlap 0     (the old one has leaked)
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    secret = use_cases.rotate_secret(invocation.admin, client_id, overlap=overlap)
    row = use_cases.find(invocation.admin, client_id)
    until = moment(row.previous_secret_expires_at)
    old = f"The old secret stays valid until {until}." if until else "The old secret is not valid any more."
    invocation.done(f"{handed_out(secret)}\n{old}", **as_document(row), client_secret=secret)


@clients.command()
@click.argument("client_id")
@yes_option
@with_json
def remove(invocation: Invocation, client_id: str, *, yes: bool) -> None:
    """Remove a client and end its sessions, for good.

    Its id cannot be used again until the rows of its ended sessions are pruned (retention.ended_sessions).
    """
    use_cases.find(invocation.admin, client_id)
    confirm(f"Remove {client_id} for good and sign out all of its users?", yes=yes)
    ended = use_cases.remove(invocation.admin, client_id, progress("sessions ended"))
    kept = span(invocation.settings.retention.ended_sessions)
    end_progress()
    text = f"Removed {client_id}; ended {counted(ended, 'session')}. The id is free again when they are pruned, after {kept}."
    invocation.done(text, client_id=client_id, removed=True, sessions_ended=ended)
