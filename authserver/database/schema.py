"""The schema's revision: upgrades a database, and checks whether it is up to date (Alembic).

The migrations lie in `migrations/` of a checkout and inside the package of an installed wheel.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from authserver.database.engine import Database

_log = logging.getLogger(__name__)

_PACKAGE = Path(__file__).parents[1]
#: An arbitrary number that nothing else in the database locks.
_ADVISORY_LOCK = 0x61757468


class SchemaOutdated(Exception):
    """The database lacks what this version of authserver needs; the text says what to do."""


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema to a revision, in one transaction. Safe when many run at once: the others wait and find it done.

    PostgreSQL has an advisory lock for that; on SQLite the transaction itself has the only write lock. A schema of a
    newer version is left as it is.
    """
    with database.transaction() as connection:
        if not database.is_sqlite:
            # Wait for another upgrade however long it takes, but for a table no longer than usual.
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
            connection.execute(text("RESET lock_timeout"))
        if _is_newer(current(connection)):
            return
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def check(database: Database) -> None:
    """Refuse to work on a schema that lacks what this version needs.

    A newer schema is accepted and logged: migrations only expand, and a rolling upgrade migrates first. Until the
    upgrade is finished or undone, nodes of this version go on, and start again when they die.

    Raises:
        SchemaOutdated: the schema is older, or the database is empty.
    """
    with database.autocommit() as connection:
        present = current(connection)
    wanted = newest()
    if present == wanted or _is_newer(present):
        return
    if present is None:
        raise SchemaOutdated("the database is empty; run: authserver db upgrade")
    raise SchemaOutdated(f"the database schema is {present} and should be {wanted}; run: authserver db upgrade")


def _is_newer(revision: str | None) -> bool:
    """Whether a later version made the schema: this version does not know its revision."""
    if revision is None or revision in {script.revision for script in _scripts().walk_revisions()}:
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


def newest() -> str:
    """The revision that this version needs."""
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
