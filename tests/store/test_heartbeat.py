"""The heartbeat: every worker learns when none of them could write, also one without requests and one that starts later."""

import pytest
from sqlalchemy import text

from authserver.app import create_app
from authserver.database.engine import Database
from authserver.database.failures import Unavailable
from authserver.database.heartbeat import Heartbeat
from tests.support.at_once import threads_at_once
from tests.support.databases import on_both_databases, on_postgresql
from tests.support.setup import STALE, Setup

pytestmark = on_both_databases

WINDOW = 30


def a_worker(setup: Setup) -> Database:
    """The database of another worker, which knows nothing yet."""
    return Database(setup.database.engine, timeout=5)


def beat(*workers: Database) -> None:
    threads_at_once(*[Heartbeat(worker).beat for worker in workers])


def pass_time(setup: Setup, seconds: int) -> None:
    """Let so much time pass without a beat."""
    setup.sql("UPDATE leases SET until = until - :ms WHERE name = 'heartbeat'", ms=seconds * 1000)


def silence_rows(setup: Setup) -> int:
    return len(setup.sql("SELECT name FROM leases WHERE name LIKE 'heartbeat %'"))


def test_workers_that_start_later_know_of_a_silence(setup: Setup):
    workers = [a_worker(setup) for _ in range(4)]
    beat(*workers)
    assert {worker.stretched(WINDOW) for worker in workers} == {WINDOW}
    pass_time(setup, 40)
    beat(*workers)
    assert silence_rows(setup) == 1, "of several callers one writes it"
    late = a_worker(setup)
    beat(late)
    for worker in (*workers, late):
        assert WINDOW + 38 <= worker.stretched(WINDOW) <= WINDOW + 60


def test_the_time_between_two_beats_is_no_silence(setup: Setup):
    worker = a_worker(setup)
    beat(worker)
    pass_time(setup, 8)
    beat(worker)
    assert (silence_rows(setup), worker.stretched(WINDOW)) == (0, WINDOW)


def test_a_clock_that_was_set_back_stops_no_beat(setup: Setup):
    worker = a_worker(setup)
    beat(worker)
    pass_time(setup, -1000)
    beat(worker)
    (row,) = setup.sql("SELECT until FROM leases WHERE name = 'heartbeat'")
    assert row.until < setup.database.now() + 10_000
    assert silence_rows(setup) == 0


def test_the_beat_of_another_worker_ends_a_silence_of_this_one(setup: Setup):
    """Once it lasted until this worker itself had something to write."""
    quiet, busy = a_worker(setup), a_worker(setup)
    beat(busy)
    quiet.silences.note_failure()
    assert quiet.silences.is_on
    beat(quiet)
    assert not quiet.silences.is_on


def test_a_silence_of_long_ago_is_forgotten(setup: Setup):
    worker = a_worker(setup)
    beat(worker)
    for _ in range(2):
        setup.sql("UPDATE leases SET until = until - :ms", ms=2 * 86_400_000)
        beat(worker)
    assert silence_rows(setup) == 1


@on_postgresql
def test_a_worker_without_requests_notices_that_sessions_cannot_be_written(setup: Setup):
    quiet = create_app(setup.impatient(caches=STALE)).extensions["authserver"].database
    beat(quiet)
    pass_time(setup, 3)
    with setup.database.transaction() as connection:
        connection.execute(text("LOCK TABLE sessions IN SHARE MODE"))
        with pytest.raises(Unavailable):
            Heartbeat(quiet).beat()
        assert quiet.stretched(WINDOW) > WINDOW
    quiet.dispose()
