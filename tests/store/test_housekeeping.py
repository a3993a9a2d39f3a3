"""Workers of several nodes share the housekeeping: each walk over the sessions is done once, and any worker may die."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from authserver.app import RunningApp, create_app
from authserver.clients import store as clients
from authserver.operations.housekeeping import Housekeeping
from authserver.settings.values import RetentionSettings
from tests.support.at_once import threads_at_once
from tests.support.databases import on_both_databases
from tests.support.hasher import until
from tests.support.oauth import OAuth, Person
from tests.support.setup import STALE, Setup
from tests.support.some_sessions import session_count, some_sessions
from tests.support.token_answer import token_answer

pytestmark = on_both_databases

BATCH = 7
Workers = Callable[[int], list[RunningApp]]


@pytest.fixture
def workers(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """Makes workers on one database, each with a housekeeping of its own that has not begun."""
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    settings = setup.with_settings(caches=STALE, retention=RetentionSettings(prune_batch=BATCH))
    with ExitStack() as opened:

        def make(count: int) -> list[RunningApp]:
            made = [create_app(settings).extensions["authserver"] for _ in range(count)]
            for worker in made:
                opened.callback(worker.database.dispose)
            return made

        yield make


@contextmanager
def pages_read(workers: list[RunningApp]) -> Iterator[list[str]]:
    """Collects the statements that read a page of sessions to prune."""
    seen: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: Any) -> None:
        if statement.startswith("SELECT sessions.id, ") and "LIMIT" in statement:
            seen.append(statement)

    for worker in workers:
        event.listen(worker.database.engine, "before_cursor_execute", note)
    yield seen
    for worker in workers:
        event.remove(worker.database.engine, "before_cursor_execute", note)


def prune_to_the_end(housekeeping: Housekeeping) -> int:
    """Run the task as often as it asks for. Returns how often."""
    times = 1
    while housekeeping.pruning.step():
        times += 1
    return times


def sessions_to_prune(setup: Setup, count: int) -> None:
    some_sessions(setup, count, revoked_at=1, revoked_because="signed_out")
    setup.sql("UPDATE sessions SET access_expires_at = 1 WHERE revoked_at = 1")


def test_workers_that_look_at_once_walk_the_sessions_once(setup: Setup, workers: Workers):
    sessions_to_prune(setup, 30)
    some_sessions(setup, 30)
    several = workers(4)
    with pages_read(several) as pages:
        threads_at_once(*[lambda worker=worker: prune_to_the_end(worker.housekeeping) for worker in several])
        assert len(pages) == 60 // BATCH + 2
        assert session_count(setup) == 30
        assert [worker.housekeeping.pruning.step() for worker in several] == [False] * 4, "it is not due again"
        assert len(pages) == 60 // BATCH + 2


def test_another_worker_takes_over_from_one_that_died_while_it_pruned(setup: Setup, workers: Workers):
    sessions_to_prune(setup, 30)
    dead, other = (worker.housekeeping for worker in workers(2))
    assert dead.pruning.step()
    assert not other.pruning.step()
    assert session_count(setup) == 30 - BATCH
    setup.sql("UPDATE leases SET until = until - 60001")
    prune_to_the_end(other)
    assert session_count(setup) == 0
    assert not dead.pruning.step(), "it was only stopped: it notices after one batch"


def test_a_worker_that_stops_gives_the_walk_to_the_next(setup: Setup, workers: Workers):
    sessions_to_prune(setup, 30)
    first, other = (worker.housekeeping for worker in workers(2))
    assert first.pruning.step()
    first.stop()
    prune_to_the_end(other)
    assert session_count(setup) == 0


def test_a_mark_does_not_wait_for_the_end_of_a_walk(setup: Setup, workers: Workers):
    app = setup.an_app()
    some_sessions(setup, 3, client_id=app.client_id)
    (worker,) = workers(1)
    housekeeping = worker.housekeeping
    walk: threading.Event = threading.Event()

    def endless() -> Iterator[object]:
        while True:
            walk.set()
            threading.Event().wait(0.01)  # what a batch takes
            yield 1

    housekeeping.pruning._batches = endless
    for task in housekeeping._tasks:
        task.due = 0.0
    housekeeping.start()
    assert walk.wait(60)
    setup.transaction(lambda connection: clients.end_epoch(connection, app.client_id))
    until(lambda: session_count(setup, "revoked_because = 'client_ended'") == 3)
    (lease,) = setup.sql("SELECT until FROM leases WHERE name = 'prune'")
    assert lease.until < setup.database.now() + 120_000, "the walk has ended"
    housekeeping.stop()


def test_a_client_that_is_signed_in_notices_nothing_of_pruning_and_sweeping(
    setup: Setup, workers: Workers, person: Person
):
    app, gone = setup.an_app(retry_window=0), setup.an_app()
    node = create_app(setup.with_settings(caches=STALE))
    http = httpx.Client(transport=httpx.WSGITransport(node), base_url=setup.settings.issuer)
    oauth = OAuth(http, app)
    first = token_answer(oauth.sign_in(person)).refresh_token
    sessions_to_prune(setup, 200)
    some_sessions(setup, 200, client_id=gone.client_id)
    setup.transaction(lambda connection: clients.end_epoch(connection, gone.client_id))
    several = workers(3)
    done = threading.Event()
    refreshes = []

    def refresh_until_done() -> None:
        token = first
        while not done.is_set():
            token = token_answer(oauth.refresh(token)).refresh_token
            refreshes.append(token)

    def keep_house(housekeeping: Housekeeping) -> None:
        while housekeeping.pruning.step():
            housekeeping._sweep()
        housekeeping._sweep()

    client = threading.Thread(target=refresh_until_done)
    client.start()
    until(lambda: refreshes)
    threads_at_once(*[lambda worker=worker: keep_house(worker.housekeeping) for worker in several])
    so_far = len(refreshes)
    until(lambda: len(refreshes) > so_far or not client.is_alive())
    assert client.is_alive(), "the client was signed out"
    done.set()
    client.join()
    http.close()
    node.extensions["authserver"].database.dispose()
    assert session_count(setup, "revoked_because = 'client_ended'") == 200
    assert session_count(setup, "revoked_at = 1") == 0
    swept = [json.loads(event.detail)["sessions"] for event in setup.events("sessions.swept")]
    assert sum(swept) == 200, "each once, also if a slow worker's lease has gone to another"
