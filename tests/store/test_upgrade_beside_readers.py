"""`db upgrade` beside a long transaction: requests go on, and the operator learns who is in the way."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from flask import Flask
from pydantic import SecretStr

from authserver.database import schema
from authserver.database.engine import Database, open_database
from authserver.settings.model import Settings
from authserver.settings.values import DatabaseSettings
from tests.support.hasher import until
from tests.support.old_rows import ROWS
from tests.support.postgres import postgres_or_skip

pytestmark = pytest.mark.postgresql

#: The newest revision need not change a table that is in use, but one of all revisions does.
OLDEST = next(iter(ROWS))
Reader = psycopg.Connection[Any]


@pytest.fixture
def url() -> Iterator[str]:
    server = postgres_or_skip()
    made = server.create_database()
    yield made
    server.drop_database(made)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database of the oldest revision."""
    made = open_database(Flask("behind"), Settings(database=DatabaseSettings(url=SecretStr(url))))
    schema.upgrade(made, OLDEST)
    yield made
    made.dispose()


@pytest.fixture
def reader(database: Database, url: str) -> Iterator[Reader]:
    """A transaction that has read every table, such as a report or a backup, and stays open."""
    with psycopg.connect(url, application_name="report") as connection:
        for (name,) in connection.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 2200"):
            connection.execute(f"SELECT * FROM {name}")
        yield connection
        connection.rollback()


def test_requests_go_on_while_an_upgrade_waits_for_a_long_reader(database: Database, url: str, reader: Reader):
    """Once all reads queued behind the upgrade for ten seconds, and then it failed."""
    told: list[str] = []
    attempts = threading.Semaphore(0)

    def on_wait(line: str) -> None:
        told.append(line)
        attempts.release()

    with ThreadPoolExecutor(1) as upgrading, psycopg.connect(url, autocommit=True) as request:
        request.execute("SET lock_timeout = '5s'")
        upgrade = upgrading.submit(schema.upgrade, database, on_wait=on_wait)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        until(lambda: request.execute(waits).fetchone() == (1,))
        request.execute("SELECT count(*) FROM clients")
        assert attempts.acquire(timeout=60)
        reader.rollback()
        upgrade.result()
    schema.check(database)
    assert f"process {reader.info.backend_pid} (report, idle in transaction, transaction of " in told[0]


def test_an_upgrade_that_gives_up_changes_nothing_and_names_who_is_in_the_way(database: Database, reader: Reader):
    with pytest.raises(schema.SchemaInUse) as refusal:
        schema.upgrade(database, patience=0)
    assert f"in use by process {reader.info.backend_pid} (report, idle in transaction" in str(refusal.value)
    assert "the schema was not changed" in str(refusal.value)
    with database.autocommit() as connection:
        assert schema.current(connection) == OLDEST
    reader.rollback()
    schema.upgrade(database)
    schema.check(database)
