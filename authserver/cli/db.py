"""`authserver db`: the schema, and the back-fills that follow its upgrades."""

from __future__ import annotations

import click

from authserver.administration import back_fills
from authserver.cli.output import counted, warn
from authserver.cli.programs import Invocation, embedded_path, with_json
from authserver.database import schema


@click.group()
def db() -> None:
    """See and upgrade the database's schema."""


@db.command()
@with_json
def status(invocation: Invocation) -> None:
    """Show the schema, and what is left of back-fills.

    After an upgrade the servers fill rows of the version before in batches. Old nodes may add such rows until the last
    one is replaced.
    """
    with invocation.database(check_schema=False) as database:
        with database.autocommit() as connection:
            present = schema.current(connection)
        left: dict[str, int] = {}
        problem = None
        try:
            schema.check(database)
            left = back_fills.left(database)
        except schema.SchemaOutdated as outdated:
            problem = str(outdated)
    document = {"schema": present, "needed": schema.newest(), "problem": problem, "left": left}
    rows = {f"left of {name}": counted(number, "row") for name, number in left.items()}
    invocation.print_one(document, {"schema": present, "needed": schema.newest(), **rows}, done=problem)


@db.command()
@with_json
def upgrade(invocation: Invocation) -> None:
    """Bring the database to the schema of this version.

    Several nodes may run it at once, while the previous version serves. A database that is up to date stays as it is.
    """
    before, after = upgrade_schema(invocation)
    with invocation.database() as database:
        left = {name: number for name, number in back_fills.left(database).items() if number}
    text = f"Upgraded the schema from {before or 'nothing'} to {after}."
    if before == after:
        text = f"The schema is up to date ({after})."
    if left:
        listed = ", ".join(f"{name} ({counted(number, 'row')})" for name, number in left.items())
        text += f"\nLeft to the servers of this version: {listed}; see: authserver db status"
    invocation.done(text, before=before, after=after, left=left)


def upgrade_schema(invocation: Invocation) -> tuple[str | None, str | None]:
    """Upgrade, and return the revisions before and after. Makes the directory of an embedded database."""
    path = embedded_path(invocation.settings)
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as problem:
            raise click.ClickException(f"cannot make the directory {path.parent}: {problem.strerror}") from None
    with invocation.database(check_schema=False) as database:
        with database.autocommit() as connection:
            before = schema.current(connection)
        schema.upgrade(database, on_wait=lambda line: warn([line]))
        with database.autocommit() as connection:
            return before, schema.current(connection)
