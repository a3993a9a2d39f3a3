"""The schema's revision: upgrades a database, and checks whether it is up to date (Alembic).

The migrations lie in `migrations/` of a checkout and inside the package of an installed wheel.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from authserver.database.engine import Database

_log = logging.getLogger(__name__)

_PACKAGE = Path(__file__).parents[1]
#: An arbitrary number that nothing else in the database locks.
_ADVISORY_LOCK = 0x61757468
#: How long an upgrade waits for one table, in milliseconds. Requests on that table wait as long.
_LOCK_MS = 500
#: The pause between two attempts, in seconds, in which requests go on.
_PAUSE = 2.0
#: How long an upgrade is tried, in seconds.
_PATIENCE = 120.0
_LOCK_NOT_AVAILABLE = "55P03"
#: Who has held locks on our tables for longer than an upgrade waits for one, longest first. PostgreSQL shows the times
#: of other roles to members of pg_read_all_stats only.
_HOLDERS = text(
    """
    SELECT 'process ' || activity.pid || ' (' || concat_ws(', ',
        nullif(activity.usename, current_user), nullif(activity.application_name, ''), activity.state,
        'transaction of ' || round(extract(epoch FROM clock_timestamp() - activity.xact_start)) || ' s',
        'query of ' || round(extract(epoch FROM clock_timestamp() - activity.query_start)) || ' s') || ')'
    FROM pg_stat_activity AS activity
    WHERE activity.pid <> pg_backend_pid()
        AND coalesce(activity.xact_start < clock_timestamp() - interval '1 ms' * :briefly, true)
        AND activity.pid IN (
            SELECT held.pid FROM pg_locks AS held JOIN pg_class ON pg_class.oid = held.relation
            WHERE held.granted AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND pg_table_is_visible(pg_class.oid) AND pg_class.relnamespace <> 'pg_catalog'::regnamespace)
    ORDER BY activity.xact_start NULLS FIRST
    LIMIT 3
    """
)


#: `PRAGMA user_version` of an SQLite database whose rows were transferred to another.
_MOVED = 1


class SchemaOutdated(Exception):
    """The database lacks what this version of authserver needs; the text says what to do."""


class SchemaInUse(Exception):
    """Others kept an upgrade from locking tables; the text says who, and what to do."""


class RowsLeft(Exception):
    """A migration needs rows that a back-fill has not reached yet; the text says what to do."""


def upgrade(
    database: Database,
    revision: str = "head",
    *,
    patience: float = _PATIENCE,
    on_wait: Callable[[str], None] = _log.warning,
) -> None:
    """Bring the schema to a revision, in one transaction. Safe when many run at once: the others wait and find it done.

    PostgreSQL has an advisory lock for that; on SQLite the transaction itself has the only write lock. A schema of a
    newer version is left as it is.

    On PostgreSQL a table that is in use is waited for only briefly, because all later statements on it queue behind the
    wait. The upgrade is undone and tried again, for `patience` seconds. `on_wait` is told each time who is in the way.

    Raises:
        SchemaInUse: a table was in use all the time; nothing was changed.
        RowsLeft: a back-fill of the version before has not ended; nothing was changed.
    """
    give_up = time.monotonic() + patience
    for attempt in count(1):
        try:
            _upgrade(database, revision)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
        else:
            return
        with database.autocommit() as connection:
            holders = (
                "; ".join(connection.execute(_HOLDERS, {"briefly": _LOCK_MS}).scalars())
                or "others that have gone by now"
            )
        if time.monotonic() >= give_up:
            raise SchemaInUse(
                f"the schema was not changed: for {patience:.0f} s its tables were in use by {holders}; wait for them, "
                "or end them with pg_terminate_backend(pid), and run again: authserver db upgrade"
            )
        on_wait(f"the upgrade waits for tables that are in use by {holders}; attempt {attempt + 1} follows")
        time.sleep(_PAUSE)


def _upgrade(database: Database, revision: str) -> None:
    with database.patient(math.inf).transaction() as connection:
        if not database.is_sqlite:
            # Wait for another upgrade however long it takes, but only briefly for a table.
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
            connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_MS}"))
        if _is_newer(current(connection)):
            return
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def demand_filled(connection: Connection, back_fill: str, unfilled: str) -> None:
    """Call it first in a migration that is a contract. `unfilled` is SQL that finds a row which the back-fill left.

    Raises:
        RowsLeft: it found one.
    """
    if connection.execute(text(unfilled)).first() is not None:
        raise RowsLeft(
            f"the schema was not changed: the back-fill {back_fill} has not ended; the nodes of the version before do "
            "that while they serve (authserver db status), then run again: authserver db upgrade"
        )


def check(database: Database) -> None:
    """Refuse to work on a schema that lacks what this version needs.

    A newer schema is accepted and logged: migrations only expand, and a rolling upgrade migrates first. Until the
    upgrade is finished or undone, nodes of this version go on, and start again when they die.

    Raises:
        SchemaOutdated: the schema is older, the database is empty, or it was transferred to another.
    """
    with database.autocommit() as connection:
        present = current(connection)
        if database.is_sqlite and connection.exec_driver_sql("PRAGMA user_version").scalar() == _MOVED:
            raise SchemaOutdated(
                "this database was transferred to PostgreSQL: set database.url, because of two live databases neither "
                "would find a stolen token out; if the transfer is given up: sqlite3 FILE 'PRAGMA user_version = 0'"
            )
    wanted = newest()
    if present == wanted or _is_newer(present):
        return
    if present is None:
        raise SchemaOutdated("the database is empty; run: authserver db upgrade")
    raise SchemaOutdated(f"the database schema is {present} and should be {wanted}; run: authserver db upgrade")


def mark_as_moved(connection: Connection) -> None:
    """Mark an SQLite database whose rows are another's now. The mark is part of the transaction."""
    connection.exec_driver_sql(f"PRAGMA user_version = {_MOVED}")


def is_known(revision: str) -> bool:
    """Whether this version or an earlier one made such a schema."""
    return revision in {script.revision for script in _scripts().walk_revisions()}


def _is_newer(revision: str | None) -> bool:
    """Whether a later version made the schema: this version does not know its revision."""
    if revision is None or is_known(revision):
        return False
    _log_newer_once(revision)
    return True


@cache
def _log_newer_once(revision: str) -> None:
    """Once in each process, because readiness asks every second."""
    _log.warning(
        "The database schema %s is newer than this authserver (%s) knows: a rolling upgrade? Finish it.",
        revision,
        newest(),
    )


def current(connection: Connection) -> str | None:
    """The revision that a database is at; None when it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def newest() -> str:
    """The revision that this version needs. Its files are read once in a process, because readiness asks every second."""
    head = _scripts().get_current_head()
    if head is None:
        raise RuntimeError("no migrations found")
    return head


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    packaged = _PACKAGE / "_migrations"
    config = Config()
    config.set_main_option("script_location", str(packaged if packaged.exists() else _PACKAGE.parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
