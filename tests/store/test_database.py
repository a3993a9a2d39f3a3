"""The database layer: a private file, time-outs for locks, and new connections in place of dead ones."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import text, update
from sqlalchemy.exc import OperationalError

from authserver.database import schema
from authserver.database.engine import Database, open_database
from authserver.database.failures import Unavailable, reason_of
from authserver.database.status_indices import prove_writable
from authserver.refusals.reasons import Reason
from authserver.settings.model import Settings
from authserver.settings.values import DatabaseSettings
from authserver.users.model import UserRecord
from tests.support.databases import on_both_databases, on_postgresql
from tests.support.hasher import until
from tests.support.postgres import postgres_or_skip
from tests.support.setup import SOON, Setup


@pytest.fixture
def empty_postgresql() -> Iterator[Database]:
    """An empty database with a short time-out for locks."""
    server = postgres_or_skip()
    url = server.create_database()
    database = open_database(Flask("empty"), Settings(database=DatabaseSettings(url=SecretStr(url), timeout=SOON)))
    yield database
    database.dispose()
    server.drop_database(url)


def test_the_embedded_database_and_its_log_are_readable_by_nobody_else(tmp_path: Path):
    tmp_path.chmod(0o755)
    database = open_database(Flask("fresh"), Settings(data_dir=tmp_path))
    schema.upgrade(database)
    with database.transaction() as connection:
        connection.execute(text("UPDATE status_counter SET next_index = 1"))
        files = sorted(tmp_path.iterdir())
        assert [file.name for file in files] == ["authserver.db", "authserver.db-shm", "authserver.db-wal"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    database.dispose()


def test_a_further_connection_drops_no_lock_of_the_others(tmp_path: Path):
    """A file opened and closed beside SQLite would drop its locks, and another process could end the log."""
    database = open_database(Flask("locks"), Settings(data_dir=tmp_path))
    schema.upgrade(database)
    log = tmp_path / "authserver.db-wal"
    with database.transaction() as first:
        first.execute(text("UPDATE status_counter SET next_index = 1"))
        with database.autocommit() as second:
            assert second.execute(text("SELECT next_index FROM status_counter")).scalar() == 0
        other = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM users'); c.close()"
        subprocess.run([sys.executable, "-c", other, tmp_path / "authserver.db"], check=True)
        assert log.exists()
    database.dispose()
    assert not log.exists(), "the last connection ends the log"


@pytest.mark.postgresql
def test_an_upgrade_waits_for_another_longer_than_for_a_lock(empty_postgresql: Database):
    waiting_for = text(
        "SELECT max(extract(epoch FROM clock_timestamp() - query_start)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    def longest_wait() -> float:
        with empty_postgresql.autocommit() as watcher:
            return float(watcher.execute(waiting_for).scalar() or 0)

    with ThreadPoolExecutor(1) as second:
        with empty_postgresql.patient().transaction() as first:
            first.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            first.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": schema._ADVISORY_LOCK})
            upgrade = second.submit(schema.upgrade, empty_postgresql)
            until(lambda: upgrade.done() or longest_wait() > 1.5 * SOON)
        upgrade.result()
    schema.check(empty_postgresql)
    with empty_postgresql.autocommit() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar() == f"{700 * SOON}ms"


@pytest.mark.postgresql
def test_a_server_that_falls_silent_is_given_up_in_seconds(empty_postgresql: Database):
    with empty_postgresql.autocommit() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        with socket.socket(fileno=os.dup(driver.fileno())) as peer:
            assert peer.family in {socket.AF_INET, socket.AF_INET6}
            assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= 10
            assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1000 * SOON


def on_every_connection(database: Database, statement: str, count: int = 4) -> None:
    """Run a statement on `count` connections at once, and return them to the pool."""
    with ExitStack() as held:
        for _ in range(count):
            held.enter_context(database.autocommit()).execute(text(statement))


@pytest.mark.parametrize("way", [Database.autocommit, Database.transaction], ids=lambda way: way.__name__)
def test_a_refused_write_drops_all_connections_that_take_none(setup: Setup, way: Callable[[Database], Any]):
    """Once a pool led to a standby for good after a failover, because open connections were never replaced."""
    sqlite = setup.database.is_sqlite
    on_every_connection(setup.database, "PRAGMA query_only = 1" if sqlite else "SET default_transaction_read_only = on")
    with pytest.raises(Unavailable, match=r"read-?only"), way(setup.database) as connection:
        connection.execute(text("UPDATE status_counter SET next_index = 1"))
    on_every_connection(setup.database, "UPDATE status_counter SET next_index = 2")


def test_the_proof_that_a_database_takes_writes_changes_nothing(setup: Setup):
    setup.sql("UPDATE status_counter SET next_index = 7")
    prove_writable(setup.database)
    assert setup.sql("SELECT next_index FROM status_counter") == [(7,)]


@pytest.mark.postgresql
@on_postgresql
def test_the_proof_writes_into_the_row_that_is_there(setup: Setup):
    """PostgreSQL would keep a new row version of each check as long as the longest transaction, such as a backup."""
    ((place, locked_by),) = setup.sql("SELECT ctid, xmax FROM status_counter")
    prove_writable(setup.database)
    ((place_after, locked_by_after),) = setup.sql("SELECT ctid, xmax FROM status_counter")
    assert place_after == place
    assert locked_by_after != locked_by


@pytest.mark.postgresql
def test_a_long_statement_is_ended_unless_it_is_work_that_may_take_long(empty_postgresql: Database):
    """Once a statement held a thread for as long as it liked."""
    long = text(f"SELECT pg_sleep({SOON + 0.2})")
    with empty_postgresql.autocommit() as connection, pytest.raises(OperationalError) as ended:
        connection.execute(long)
    assert reason_of(ended.value) is Reason.DATABASE_BUSY
    for way in (Database.autocommit, Database.transaction):
        with way(empty_postgresql.patient()) as connection:
            connection.execute(long)
            assert connection.execute(text("SHOW statement_timeout")).scalar() == "1min"
    with empty_postgresql.autocommit() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar() == f"{800 * SOON}ms", (
            "it was changed for itself alone"
        )


@pytest.mark.postgresql
def test_the_statements_of_a_command_have_no_bound(empty_postgresql: Database):
    url = SecretStr(empty_postgresql.engine.url.render_as_string(hide_password=False))
    command = open_database(Flask("command"), Settings(database=DatabaseSettings(url=url)), bounded=False)
    with command.autocommit() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar() == "0"
    command.dispose()


@on_both_databases
def test_a_silence_ends_with_a_write_and_not_with_an_answer(setup: Setup):
    """A commit may hang while reads are answered: once their answers ended the silence, and its clients were signed out."""
    person = setup.a_person()
    silences = setup.database.silences
    silences.note_failure()
    setup.database.now()
    with setup.database.transaction() as connection:
        connection.execute(text("SELECT 1"))
    written = update(UserRecord).values(enabled=True)
    with setup.database.autocommit() as connection:
        connection.execute(written.where(UserRecord.username == "another"))
    assert silences.is_on
    with setup.database.transaction() as connection:
        connection.execute(written.where(UserRecord.username == person.username))
        assert silences.is_on
    assert not silences.is_on
    silences.note_failure()
    with setup.database.autocommit() as connection:
        connection.execute(written.where(UserRecord.username == person.username))
    assert not silences.is_on
