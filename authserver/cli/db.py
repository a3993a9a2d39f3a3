"""`authserver db`: the schema."""

from __future__ import annotations

import click

from authserver.cli.output import warn
from authserver.cli.programs import Invocation, embedded_path, with_json
from authserver.database import schema


@click.group()
def db() -> None:
    """Upgrade the database's schema."""


@db.command()
@with_json
def upgrade(invocation: Invocation) -> None:
    """Bring the database to the schema of this version.

    Several nodes may run it at once, while the previous version serves. A database that is up to date stays as it is.
    """
    before, after = upgrade_schema(invocation)
    text = f"Upgraded the schema from {before or 'nothing'} to {after}."
    if before == after:
        text = f"The schema is up to date ({after})."
    invocation.done(text, before=before, after=after)


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
