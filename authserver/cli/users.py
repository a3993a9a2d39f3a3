"""`authserver users`: add, list, show, edit, set-password, password-link, disable, enable, remove, import, export."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import click

from authserver.administration import password_links
from authserver.administration import users as use_cases
from authserver.administration.errors import Invalid
from authserver.administration.password_links import Issued
from authserver.administration.users import Profile
from authserver.cli.output import (
    confirm,
    counted,
    done,
    iso,
    json_option,
    moment,
    print_fields,
    print_json,
    print_table,
    yes_option,
)
from authserver.cli.programs import Invocation, pass_invocation
from authserver.cli.types import changed_words, words
from authserver.cli.users_transfer import export, import_
from authserver.users.document import as_document
from authserver.users.model import UserRecord

stdin_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, one line, without a prompt."
)


@click.group()
def users() -> None:
    """Manage users. Name a user by user name, e-mail address or id."""


users.add_command(import_)
users.add_command(export)


@users.command("list")
@json_option
@pass_invocation
def list_(invocation: Invocation, *, as_json: bool) -> None:
    """List all users."""
    with invocation.administration() as admin:
        rows = use_cases.find_all(admin)
    if as_json:
        print_json([as_document(row) for row in rows])
        return
    table = [(row.username, row.email, row.roles, _state(row), moment(row.created_at), row.id) for row in rows]
    columns = ("user name", "e-mail", "roles", "state", "created", "id")
    print_table(columns, table, empty="There are no users yet. Add one: authserver users add NAME")


@users.command()
@click.argument("user")
@json_option
@pass_invocation
def show(invocation: Invocation, user: str, *, as_json: bool) -> None:
    """Show a user."""
    with invocation.administration() as admin:
        row = use_cases.find(admin, user)
    _print(row, as_json=as_json)


@users.command()
@click.argument("name")
@click.option("--email", help="Can sign in with it too.")
@click.option("--role", multiple=True, help="Opens scopes that are bound to it; repeat.")
@stdin_option
@click.option("--link", is_flag=True, help="Set no password: print a one-time link with which the user sets one.")
@json_option
@pass_invocation
def add(invocation: Invocation, /, name: str, *, as_json: bool, **options: Any) -> None:
    """Add a user. Asks for the password twice, or reads it from standard input. Arguments never hold it.

    \b
    Examples:
      authserver users add anna --email anna@example.com --role editor
      pass show anna | authserver users add anna --password-stdin
      authserver users add anna --link
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    profile = Profile(name, options["email"], words(options["role"]))
    use_cases.check_profile(profile)  # before the prompt, so that no password is typed in vain
    with invocation.administration() as admin:
        if options["link"]:
            password_links.require_pages(admin)
            row = use_cases.add(admin, profile, None)
            print_link(password_links.issue(admin, str(row.id)), as_json=as_json)
            return
        row = use_cases.add(admin, profile, read_password(stdin=options["password_stdin"]))
    if not as_json:
        click.echo(f"Added {row.username}.\n")
    _print(row, as_json=as_json)


@users.command()
@click.argument("user")
@click.option("--name", help="A new user name.")
@click.option("--email", help="A new e-mail address.")
@click.option("--no-email", is_flag=True, help="Take the e-mail address away.")
@click.option("--role", multiple=True, help="Exactly these roles; repeat.")
@click.option("--add-role", multiple=True, metavar="ROLE", help="One role more; repeat.")
@click.option("--remove-role", multiple=True, metavar="ROLE", help="One role less; repeat.")
@json_option
@pass_invocation
def edit(invocation: Invocation, /, user: str, *, as_json: bool, **options: Any) -> None:
    """Change a user. What no option names stays as it is.

    A role that is removed takes its scopes out of the user's sessions at once. A new role opens scopes at the next sign-in.

    \b
    Examples:
      authserver users edit anna --add-role editor
      authserver users edit anna --email anna@example.org
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled

    def change(before: Profile) -> Profile:
        email = None if options["no_email"] else options["email"] or before.email
        roles = changed_words(before.roles, options["role"], options["add_role"], options["remove_role"])
        return replace(before, username=options["name"] or before.username, email=email, roles=roles)

    with invocation.administration() as admin:
        row = use_cases.edit(admin, user, change)
    if not as_json:
        click.echo(f"Changed {row.username}.\n")
    _print(row, as_json=as_json)


@users.command("set-password")
@click.argument("user")
@stdin_option
@json_option
@pass_invocation
def set_password(invocation: Invocation, user: str, *, password_stdin: bool, as_json: bool) -> None:
    """Set a user's password, and sign the user out everywhere.

    \b
    Examples:
      authserver users set-password anna
      pass show anna | authserver users set-password anna --password-stdin
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    with invocation.administration() as admin:
        row = use_cases.find(admin, user)
        ended = use_cases.set_password(admin, str(row.id), read_password(stdin=password_stdin))
    text = f"Set the password of {row.username}; ended {counted(ended, 'session')}."
    done(text, {"user": row.username, "sessions_ended": ended}, as_json=as_json)


@users.command("password-link")
@click.argument("user")
@json_option
@pass_invocation
def password_link(invocation: Invocation, user: str, *, as_json: bool) -> None:
    """Print a one-time link with which a user sets a new password. Earlier links of the user end now.

    When the link is used, all sessions of the user end. Until then the old password works.
    """
    with invocation.administration() as admin:
        print_link(password_links.issue(admin, user), as_json=as_json)


@users.command()
@click.argument("user")
@json_option
@pass_invocation
def disable(invocation: Invocation, user: str, *, as_json: bool) -> None:
    """Disable a user and end all sessions."""
    with invocation.administration() as admin:
        ended = use_cases.disable(admin, user)
    document = {"user": user, "enabled": False, "sessions_ended": ended}
    done(f"Disabled {user}; ended {counted(ended, 'session')}.", document, as_json=as_json)


@users.command()
@click.argument("user")
@json_option
@pass_invocation
def enable(invocation: Invocation, user: str, *, as_json: bool) -> None:
    """Enable a user again. Sessions that were ended stay ended."""
    with invocation.administration() as admin:
        use_cases.enable(admin, user)
    done(f"Enabled {user}. Ended sessions stay ended.", {"user": user, "enabled": True}, as_json=as_json)


@users.command()
@click.argument("user")
@yes_option
@json_option
@pass_invocation
def remove(invocation: Invocation, user: str, *, yes: bool, as_json: bool) -> None:
    """Remove a user for good. This erases password and address, frees the name and ends all sessions."""
    with invocation.administration() as admin:
        row = use_cases.find(admin, user)
        confirm(f"Remove {row.username} for good?", yes=yes)
        ended = use_cases.remove(admin, str(row.id))
    document = {"user": row.username, "removed": True, "sessions_ended": ended}
    done(f"Removed {row.username}; ended {counted(ended, 'session')}.", document, as_json=as_json)


def print_link(issued: Issued, *, as_json: bool) -> None:
    """Print only the link on standard output, so that it can be piped. Standard error says whose link it is."""
    if as_json:
        print_json({"username": issued.username, "url": issued.url, "expires_at": iso(issued.expires_at)})
        return
    click.echo(f"For {issued.username} alone, to be used once, until {moment(issued.expires_at)}:", err=True)
    click.echo(issued.url)


def read_password(*, stdin: bool) -> str:
    if not stdin and sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return password
    line = sys.stdin.buffer.readline()
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise Invalid("the password on standard input is not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise Invalid("there is no password on standard input: give it there as one line")
    return text


def _print(row: UserRecord, *, as_json: bool) -> None:
    if as_json:
        print_json(as_document(row))
        return
    print_fields(
        {
            "user name": row.username,
            "e-mail": row.email,
            "roles": row.roles,
            "state": _state(row),
            "id": row.id,
            "created": moment(row.created_at),
            "changed": moment(row.changed_at),
        }
    )


def _state(row: UserRecord) -> str:
    return "enabled" if row.enabled else "disabled"
