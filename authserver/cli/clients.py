"""`authserver clients`: list, show, disable, enable, rotate-secret, remove. `add` and `edit` are in clients_register."""

from __future__ import annotations

import click

from authserver.administration import clients as use_cases
from authserver.cli.clients_print import as_document, print_client, print_secret, state
from authserver.cli.clients_register import add, edit
from authserver.cli.output import (
    confirm,
    counted,
    done,
    end_progress,
    json_option,
    moment,
    print_json,
    print_table,
    progress,
    span,
    yes_option,
)
from authserver.cli.programs import Invocation, pass_invocation
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
@json_option
@pass_invocation
def list_(invocation: Invocation, *, as_json: bool) -> None:
    """List all clients."""
    with invocation.administration() as admin:
        rows = use_cases.find_all(admin)
    if as_json:
        print_json([as_document(row) for row in rows])
        return
    columns = ("client_id", "name", "kind", "grants", "scopes", "state")
    table = [(row.client_id, row.name, row.kind, row.grants, row.scopes, state(row)) for row in rows]
    print_table(columns, table, empty=_NONE_YET)


@clients.command()
@click.argument("client_id")
@json_option
@pass_invocation
def show(invocation: Invocation, client_id: str, *, as_json: bool) -> None:
    """Show a client. Its secret cannot be shown."""
    with invocation.administration() as admin:
        row = use_cases.find(admin, client_id)
    if as_json:
        print_json(as_document(row))
    else:
        print_client(row)


@clients.command()
@click.argument("client_id")
@yes_option
@json_option
@pass_invocation
def disable(invocation: Invocation, client_id: str, *, yes: bool, as_json: bool) -> None:
    """Disable a client and end its sessions.

    Every node knows it within 5 seconds. Enabling the client again restores no session: its users sign in again.
    """
    with invocation.administration() as admin:
        use_cases.find(admin, client_id)
        confirm(f"Disable {client_id} and sign out all of its users?", yes=yes)
        ended = use_cases.disable(admin, client_id, progress("sessions ended"))
    end_progress()
    document = {"client_id": client_id, "enabled": False, "sessions_ended": ended}
    done(f"Disabled {client_id}; ended {counted(ended, 'session')}.", document, as_json=as_json)


@clients.command()
@click.argument("client_id")
@json_option
@pass_invocation
def enable(invocation: Invocation, client_id: str, *, as_json: bool) -> None:
    """Enable a client again. Sessions that were ended stay ended."""
    with invocation.administration() as admin:
        use_cases.enable(admin, client_id)
    text = f"Enabled {client_id}. Its users sign in again: ended sessions stay ended."
    done(text, {"client_id": client_id, "enabled": True}, as_json=as_json)


@clients.command("rotate-secret")
@click.argument("client_id")
@click.option(
    "--overlap",
    type=DURATION,
    default="24h",
    show_default=True,
    help="How long the old secret stays valid beside the new one; 0 ends it at once.",
)
@json_option
@pass_invocation
def rotate_secret(invocation: Invocation, client_id: str, overlap: int, *, as_json: bool) -> None:
    """Give a client a new secret, shown once and never again.

    During the overlap both secrets work, so the client can change over without a failed request. Any older secret ends
    now.

    \b
    Examples:
      authserver clients rotate-secret billing
      authserver clients rotate-secret billing --overlap 0     (the old one has leaked)
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    with invocation.administration() as admin:
        secret = use_cases.rotate_secret(admin, client_id, overlap=overlap)
        row = use_cases.find(admin, client_id)
    if as_json:
        print_json({**as_document(row), "client_secret": secret})
        return
    print_secret(secret)
    until = moment(row.previous_secret_expires_at)
    click.echo(f"The old secret stays valid until {until}." if until else "The old secret is not valid any more.")


@clients.command()
@click.argument("client_id")
@yes_option
@json_option
@pass_invocation
def remove(invocation: Invocation, client_id: str, *, yes: bool, as_json: bool) -> None:
    """Remove a client and end its sessions, for good.

    Its id cannot be used again until the rows of its ended sessions are pruned (retention.ended_sessions).
    """
    with invocation.administration() as admin:
        use_cases.find(admin, client_id)
        confirm(f"Remove {client_id} for good and sign out all of its users?", yes=yes)
        ended = use_cases.remove(admin, client_id, progress("sessions ended"))
        kept = span(invocation.settings.retention.ended_sessions)
    end_progress()
    text = f"Removed {client_id}; ended {counted(ended, 'session')}. The id is free again when they are pruned, after {kept}."
    done(text, {"client_id": client_id, "removed": True, "sessions_ended": ended}, as_json=as_json)
