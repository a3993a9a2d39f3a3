"""`authserver admin create`: make the first administrator, who can make the others in the console."""

from __future__ import annotations

import click

from authserver.administration import password_links, users
from authserver.administration.users import Profile
from authserver.apis.administration import ROLE
from authserver.cli.programs import Invocation, with_json
from authserver.cli.users import print_link, read_password, stdin_option


@click.group()
def admin() -> None:
    """Make users who may administer authserver in the console."""


@admin.command()
@click.argument("name")
@click.option("--email", help="Can sign in with it too.")
@click.option(
    "--link", is_flag=True, help="Set no password: print a one-time link with which the administrator sets one."
)
@stdin_option
@with_json
def create(invocation: Invocation, name: str, email: str | None, *, link: bool, password_stdin: bool) -> None:
    """Add a user with the role `administrator`. There is no default password.

    \b
    Examples:
      authserver admin create anna --link
      pass show anna | authserver admin create anna --email anna@example.com --password-stdin
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    if link and password_stdin:
        raise click.UsageError("give either --link or --password-stdin")
    users.check_profile(Profile(name, email, frozenset({ROLE})))
    administration = invocation.admin  # opens the database: before the prompt too
    password = None if link else read_password(stdin=password_stdin)
    row = password_links.create_administrator(administration, name, email, password)
    if link:
        print_link(invocation, password_links.issue(administration, str(row.id)))
        return
    console = invocation.settings.issuer + "/admin/"
    text = f"Added the administrator {row.username}, who signs in at {console}"
    invocation.done(text, id=str(row.id), username=row.username, console=console)
