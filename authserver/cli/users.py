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
from authserver.cli.output import confirm, counted, moment, state_of, yes_option
from authserver.cli.programs import Invocation, with_json
from authserver.cli.types import changed_words, words
from authserver.cli.users_transfer import export, import_
from authserver.database.times import iso
from authserver.users.document import as_document
from authserver.users.model import UserRecord, name_of
from authserver.users.store import Filter
from authserver.users.subjects import subject_of

stdin_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, one line, without a prompt."
)


@click.group()
def users() -> None:
    """Manage users. Name a user by user name, e-mail address or id."""


users.add_command(import_)
users.add_command(export)


@users.command("list")
@click.option("--subject", help="Only the user whose tokens have this claim `sub`.")
@with_json
def list_(invocation: Invocation, subject: str | None) -> None:
    """List all users, or find one by subject."""
    rows = use_cases.find_all(invocation.admin, Filter(subject=subject))
    columns = ("user name", "e-mail", "roles", "state", "created", "id")
    table = [(name_of(row), row.email, row.roles, state_of(row), moment(row.created_at), row.id) for row in rows]
    empty = "There are no users yet. Add one: authserver users add NAME"
    if subject is not None:
        empty = "No user has this subject."
    invocation.print_list([as_document(row) for row in rows], columns, table, empty)


@users.command()
@click.argument("user")
@with_json
def show(invocation: Invocation, user: str) -> None:
    """Show a user."""
    _print(invocation, use_cases.find(invocation.admin, user))


@users.command()
@click.argument("name", required=False)
@click.option("--email", help="Can sign in with it too. With it the user name is optional.")
@click.option("--role", multiple=True, help="Opens scopes that are bound to it; repeat.")
@click.option("--subject", help="The claim `sub` of the user's tokens, for ever.  [default: the id]")
@stdin_option
@click.option("--link", is_flag=True, help="Set no password: print a one-time link with which the user sets one.")
@with_json
def add(invocation: Invocation, /, name: str | None, **options: Any) -> None:
    """Add a user. Asks for the password twice, or reads it from standard input. Arguments never hold it.

    \b
    Examples:
      authserver users add anna --email anna@example.com --role editor
      pass show anna | authserver users add anna --password-stdin
      authserver users add --email anna@example.com --link
      authserver users add anna --subject "auth0|507f1f77bcf86cd799439020" --link
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    profile = Profile(name, options["email"], words(options["role"]), options["subject"])
    use_cases.check_profile(profile)
    admin = invocation.admin  # opens the database: before the prompt too, so that no password is typed in vain
    if options["link"]:
        password_links.require_pages(admin)
        row = use_cases.add(admin, profile, None)
        print_link(invocation, password_links.issue(admin, str(row.id)))
        return
    row = use_cases.add(admin, profile, read_password(stdin=options["password_stdin"]))
    _print(invocation, row, f"Added {row.username}.")


@users.command()
@click.argument("user")
@click.option("--name", help="A new user name.")
@click.option("--no-name", is_flag=True, help="Take the user name away; the e-mail address stays.")
@click.option("--email", help="A new e-mail address.")
@click.option("--no-email", is_flag=True, help="Take the e-mail address away.")
@click.option("--role", multiple=True, help="Exactly these roles; repeat.")
@click.option("--add-role", multiple=True, metavar="ROLE", help="One role more; repeat.")
@click.option("--remove-role", multiple=True, metavar="ROLE", help="One role less; repeat.")
@with_json
def edit(invocation: Invocation, /, user: str, **options: Any) -> None:
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
        name = None if options["no_name"] else options["name"] or before.username
        return replace(before, username=name, email=email, roles=roles)

    row = use_cases.edit(invocation.admin, user, change)
    _print(invocation, row, f"Changed {row.username}.")


@users.command("set-password")
@click.argument("user")
@stdin_option
@with_json
def set_password(invocation: Invocation, user: str, *, password_stdin: bool) -> None:
    """Set a user's password, and sign the user out everywhere.

    \b
    Examples:
      authserver users set-password anna
      pass show anna | authserver users set-password anna --password-stdin
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    row = use_cases.find(invocation.admin, user)
    ended = use_cases.set_password(invocation.admin, str(row.id), read_password(stdin=password_stdin))
    text = f"Set the password of {row.username}; ended {counted(ended, 'session')}."
    invocation.done(text, user=row.username, sessions_ended=ended)


@users.command("password-link")
@click.argument("user")
@with_json
def password_link(invocation: Invocation, user: str) -> None:
    """Print a one-time link with which a user sets a new password. Earlier links of the user end now.

    When the link is used, all sessions of the user end. Until then the old password works.
    """
    print_link(invocation, password_links.issue(invocation.admin, user))


@users.command()
@click.argument("user")
@with_json
def disable(invocation: Invocation, user: str) -> None:
    """Disable a user and end all sessions."""
    ended = use_cases.disable(invocation.admin, user)
    text = f"Disabled {user}; ended {counted(ended, 'session')}."
    invocation.done(text, user=user, enabled=False, sessions_ended=ended)


@users.command()
@click.argument("user")
@with_json
def enable(invocation: Invocation, user: str) -> None:
    """Enable a user again. Sessions that were ended stay ended."""
    use_cases.enable(invocation.admin, user)
    invocation.done(f"Enabled {user}. Ended sessions stay ended.", user=user, enabled=True)


@users.command()
@click.argument("user")
@yes_option
@with_json
def remove(invocation: Invocation, user: str, *, yes: bool) -> None:
    """Remove a user for good. This erases password and address, frees the name and ends all sessions."""
    row = use_cases.find(invocation.admin, user)
    confirm(f"Remove {row.username} for good?", yes=yes)
    ended = use_cases.remove(invocation.admin, str(row.id))
    text = f"Removed {row.username}; ended {counted(ended, 'session')}."
    invocation.done(text, user=row.username, removed=True, sessions_ended=ended)


def print_link(invocation: Invocation, issued: Issued) -> None:
    """Print only the link on standard output, so that it can be piped. Standard error says whose link it is."""
    if not invocation.as_json:
        click.echo(f"For {issued.username} alone, to be used once, until {moment(issued.expires_at)}:", err=True)
    invocation.done(issued.url, username=issued.username, url=issued.url, expires_at=iso(issued.expires_at))


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


def _print(invocation: Invocation, row: UserRecord, done: str | None = None) -> None:
    fields = {
        "user name": name_of(row),
        "e-mail": row.email,
        "roles": row.roles,
        "state": state_of(row),
        "subject": subject_of(row.subject, row.id),
        "id": row.id,
        "created": moment(row.created_at),
        "changed": moment(row.changed_at),
    }
    invocation.print_one(as_document(row), fields, done)
