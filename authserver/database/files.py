"""An SQLite database as a file: copy it while a server uses it, check a copy, and put one in the place of another.

A copy is one file without a log. If a log (`-wal`, `-journal`) of another database lay beside it under its name, SQLite
would write that log into it when it is opened, and destroy it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from authserver.database import schema
from authserver.database.status_indices import MARGIN

#: What may lie beside a database under its name. The first two belong to its contents.
_LOGS = ("-wal", "-journal")
_INDEX_OF_THE_LOG = "-shm"
#: So many pages are copied before progress is told: 4 MB.
_PAGES = 1024
#: Where SQLite locks a database that is in use (its "shared range" and the byte before it).
_LOCKED_FROM, _LOCKED_BYTES = 0x40000001, 511

#: Gets the bytes that are done and the bytes there are.
Progress = Callable[[int, int], None]


class FileRefused(Exception):
    """A file is not what it has to be, or cannot be used now; the text says what to do."""


def copy(source: Path, draft: Path, on_progress: Progress) -> None:
    """Copy a database as it is at this moment. Servers go on reading and writing it meanwhile.

    `draft` is an empty file. Its log, if it gets one for a moment, is gone in the end.

    Raises:
        FileRefused: the source is no database, or one of the files cannot be read or written.
    """
    with _told(f"{source} cannot be copied"), closing(_reader(source)) as reader, closing(_opened(draft)) as writer:
        # One transaction around all steps: else each write of a server would begin the copy anew, perhaps for ever.
        reader.execute("BEGIN")
        size = reader.execute("PRAGMA page_size").fetchone()[0]
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        writer.execute("PRAGMA synchronous = OFF")  # the caller syncs the file once

        def tell(_status: int, left: int, total: int) -> None:
            on_progress((total - left) * size, total * size)

        reader.backup(writer, pages=_PAGES, progress=tell)
        writer.execute("PRAGMA journal_mode = DELETE")


def check(file: Path) -> str:
    """Read a whole copy, and return the revision of its schema.

    Raises:
        FileRefused: it is damaged, is no database of authserver, or has a schema of a newer version.
    """
    with _told(f"{file} is not whole"), closing(_opened(file)) as connection:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise FileRefused(f"{file} is damaged: {found}")
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        if not {"alembic_version", "sessions", "keys"} <= names:
            raise FileRefused(f"{file} is no database of authserver")
        revision = str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    if not schema.is_known(revision):
        raise FileRefused(f"{file} has the schema {revision} of a newer version; install that version first")
    return revision


def leave_out_status_indices(file: Path) -> None:
    """Move the counter of a copy far ahead: since it was made, places of status lists were given to lost sessions."""
    with _told(f"{file} cannot be changed"), closing(_opened(file)) as connection:
        if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'status_counter'").fetchone():
            connection.execute("UPDATE status_counter SET next_index = next_index + ?", (MARGIN,))


def remove_logs(file: Path) -> None:
    """Remove logs that an earlier database left beside a name. SQLite would write them into the next one of that name."""
    for ending in (*_LOGS, _INDEX_OF_THE_LOG):
        file.with_name(file.name + ending).unlink(missing_ok=True)


def end_recoveries(file: Path) -> None:
    """End a recovery that was on when a copy was made: what was lost since has to be done again before the next."""
    with _told(f"{file} cannot be changed"), closing(_opened(file)) as connection:
        if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'recoveries'").fetchone():
            connection.execute("UPDATE recoveries SET until = 0")


def refuse_if_used(file: Path) -> None:
    """Check that no process uses a database, and take its log in. A damaged one keeps its log.

    Raises:
        FileRefused: a process uses it.
    """
    try:
        with closing(_opened(file, timeout=1)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")  # works only for the one that uses it
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise _in_use(file) from None


def put_in_place(draft: Path, target: Path) -> Path | None:
    """Put a checked copy in the place of a database, at once and for good. Returns where the old one is kept, with its log.

    Raises:
        FileRefused: a process uses the old one, or the directory cannot be written. The old one is in its place.
    """
    kept = target.with_name(f"{target.name}.before-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S.%fZ')}")
    there = target.exists()
    with _told(f"{target} cannot be replaced"), _locked(target):
        _sync(draft)
        if there:
            os.link(target, kept)
        # A log that is left over would be written into the new database. It may be there without its database.
        for ending in _LOGS:
            log = target.with_name(target.name + ending)
            if log.exists():
                log.rename(kept.with_name(kept.name + ending))
        target.with_name(target.name + _INDEX_OF_THE_LOG).unlink(missing_ok=True)
        draft.replace(target)
        _sync(target.parent)
    return kept if there else None


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold the lock that keeps every other process from opening a database, also one that SQLite cannot read."""
    if not file.exists():
        yield
        return
    refuse_if_used(file)
    # From here to the end SQLite must not open the file in this process: closing it would drop this lock (POSIX).
    opened = os.open(file, os.O_RDWR)
    try:
        try:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCKED_BYTES, _LOCKED_FROM)
        except BlockingIOError:
            raise _in_use(file) from None
        yield
    finally:
        os.close(opened)


def _in_use(file: Path) -> FileRefused:
    return FileRefused(f"a process uses {file}: stop the server and other commands, then run this again")


def _reader(source: Path) -> sqlite3.Connection:
    # A copy in a place that cannot be written, perhaps made by another tool, in WAL mode without a log. SQLite would want
    # to make one.
    lies_alone = not any(source.with_name(source.name + ending).exists() for ending in (*_LOGS, _INDEX_OF_THE_LOG))
    return _opened(source, "?immutable=1" if lies_alone and not os.access(source.parent, os.W_OK) else "?mode=rw")


def _opened(file: Path, how: str = "?mode=rw", *, timeout: float = 5) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}{how}", uri=True, isolation_level=None, timeout=timeout)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn errors of SQLite and of the system into one that says what could not be done."""
    try:
        yield
    except sqlite3.Error as error:
        raise FileRefused(f"{what}: {error}") from None
    except OSError as error:
        raise FileRefused(f"{what}: {error.strerror}") from None
