"""`authserver restore`: put a backup in the place of the SQLite database."""

from __future__ import annotations

import os
from pathlib import Path

import click

from authserver.administration.errors import AdminError
from authserver.cli.backup import embedded, refuse_the_database_itself, show_bytes
from authserver.cli.output import confirm, end_progress, yes_option
from authserver.cli.programs import Invocation, with_json
from authserver.cli.writing import drafted
from authserver.database import files, schema


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@yes_option
@with_json
def restore(invocation: Invocation, file: Path, *, yes: bool) -> None:
    """Put FILE, a backup, in the place of the SQLite database. Stop the server before.

    The old database is kept beside it under another name. Do not copy a backup by hand: the log of the old database
    (-wal) would be left, and SQLite would write it into the restored one.

    PostgreSQL has its own tools; docs/operating.md has the commands.
    """
    place = embedded(invocation)
    refuse_the_database_itself(place, Path(os.path.realpath(file)))
    if place.exists():
        confirm(f"Put {file} in the place of {place}? The old database is kept.", yes=yes)
        files.refuse_if_used(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with drafted(place) as draft:
            files.copy(file, draft, show_bytes)
            end_progress()
            revision = files.check(draft)
            files.leave_out_status_indices(draft)
            files.end_recoveries(draft)
            _give_to_the_owner(draft, place)
            kept = files.put_in_place(draft, place)
    except OSError as error:
        raise AdminError(f"{place} cannot be replaced: {error.strerror}") from None
    steps = ["authserver recover start", "authserver serve", "authserver doctor"]
    if revision != schema.newest():
        steps.insert(0, "authserver db upgrade")
    lines = [f"Restored {place} from {file} (schema {revision}).", "Next:", *(f"  {step}" for step in steps)]
    if kept is not None:
        lines.insert(1, f"The old database is {kept}. Remove it when you do not need it any more.")
    invocation.done("\n".join(lines), database=str(place), kept=kept and str(kept), schema=revision, next=steps)


def _give_to_the_owner(draft: Path, place: Path) -> None:
    """If root restores: the server's user has to be able to open the file."""
    if os.geteuid() == 0:
        owner = (place if place.exists() else place.parent).stat()
        os.chown(draft, owner.st_uid, owner.st_gid)
