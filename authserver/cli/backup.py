"""`authserver backup`: copy an SQLite database while the server runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from authserver.administration.errors import AdminError, Conflict
from authserver.cli.output import counted, end_progress
from authserver.cli.programs import Invocation, embedded_path, with_json
from authserver.cli.writing import drafted, settle
from authserver.database import files

_FOR_POSTGRESQL = "PostgreSQL has its own tools: pg_dump and pg_basebackup; docs/operating.md has the commands"


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@with_json
def backup(invocation: Invocation, file: Path) -> None:
    """Copy the SQLite database to FILE, also while the server runs.

    FILE is a database as it was at one moment, checked, and only its owner can read it. A file that was there is replaced
    when the new one is whole. It does not hold the master key: keep that in another place, since without it no token
    of the backup is good any more.

    PostgreSQL has its own tools; docs/operating.md has the commands.

    \b
    Examples:
      authserver backup /var/backups/authserver.db
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    source = existing(invocation)
    target = Path(os.path.realpath(file))
    refuse_the_database_itself(source, target)
    try:
        with drafted(target) as draft:
            files.copy(source, draft, show_bytes)
            end_progress()
            revision = files.check(draft)
            files.remove_logs(target)
            settle(draft, target)
    except OSError as error:
        raise AdminError(f"{file} cannot be written: {error.strerror}") from None
    size = target.stat().st_size
    text = f"Wrote {file}: {counted(size, 'byte')}, schema {revision}. The master key is not in it."
    invocation.done(text, file=str(target), bytes=size, schema=revision)


def embedded(invocation: Invocation) -> Path:
    """The file of the SQLite database.

    Raises:
        Conflict: the settings name a PostgreSQL database.
    """
    path = embedded_path(invocation.settings)
    if path is None:
        raise Conflict(f"this command is for SQLite; {_FOR_POSTGRESQL}")
    return path


def existing(invocation: Invocation) -> Path:
    """As `embedded`, and the file is there."""
    path = embedded(invocation)
    if not path.exists():
        raise Conflict(f"there is no database at {path}")
    return path


def refuse_the_database_itself(database: Path, other: Path) -> None:
    """Refuse a path that is the database, or its log."""
    place = Path(os.path.realpath(database))
    if other.parent == place.parent and other.name.removeprefix(place.name) in ("", "-wal", "-shm", "-journal"):
        raise Conflict(f"{other} is the database itself: choose another file")


def show_bytes(done: int, total: int) -> None:
    """Show the progress on standard error, if that is a terminal."""
    if sys.stderr.isatty():
        click.echo(f"\r{done // 1_000_000:,} of {total // 1_000_000:,} MB", err=True, nl=False)
