"""`authserver transfer`: copy an SQLite database into the PostgreSQL database of the settings."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from flask import Flask
from pydantic import SecretStr

from authserver.administration.errors import Conflict
from authserver.cli.output import counted, end_progress
from authserver.cli.programs import Invocation, embedded_path, with_json
from authserver.database import files
from authserver.database.engine import open_database
from authserver.database.transfer import transfer as transfer_rows


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@with_json
def transfer(invocation: Invocation, file: Path) -> None:
    """Copy all of the SQLite database FILE into the PostgreSQL database of the settings. Stop the server before.

    No user is signed out: sessions, keys, users, clients and the audit record go along. The PostgreSQL database has to
    have the schema and nothing else (authserver db upgrade). All rows are copied in one transaction, so a transfer that was
    stopped has left nothing, and can be run again. FILE is marked then: no server starts on it again.

    The keys stay sealed under the same master key: give it to the new nodes.

    \b
    Examples:
      export AUTHSERVER_DATABASE__URL=postgresql://authserver@db/authserver
      authserver db upgrade
      authserver transfer data/authserver.db
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    settings = invocation.settings
    if embedded_path(settings) is not None:
        raise Conflict("the settings name an SQLite database: set database.url to the PostgreSQL that the rows go to")
    invocation.programs.application()  # has every table imported
    with invocation.database() as target:
        files.refuse_if_used(file)
        url = SecretStr(f"sqlite:///{file.absolute()}")
        of_file = settings.model_copy(update={"database": settings.database.model_copy(update={"url": url})})
        source = open_database(Flask("authserver.cli.transfer"), of_file, bounded=False)
        try:
            copied = transfer_rows(source, target, _show)
        finally:
            source.dispose()
    end_progress()
    sessions = counted(copied["sessions"], "session")
    text = f"Copied {counted(sum(copied.values()), 'row')} of {len(copied)} tables, with {sessions}.\n"
    text += "Start the nodes on PostgreSQL with the same master key, and none on the file again."
    invocation.done(text, rows=copied)


def _show(table: str, copied: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{table}: {copied:,}", err=True, nl=False)
