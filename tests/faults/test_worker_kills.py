"""A worker or the database may die at any instant, and no honest client is signed out."""

import contextlib
import os
import random
import signal

import pytest

from tests.support.databases import on_both_databases
from tests.support.oauth import Person
from tests.support.postgres import Cluster
from tests.support.retrying_clients import RetryingClients
from tests.support.server import LiveServer
from tests.support.setup import Setup
from tests.support.wsgi_server import wait_for

pytestmark = on_both_databases

CLIENTS, EACH = 20, 100


def everyone_is_signed_in(clients: RetryingClients, setup: Setup, each: int) -> bool:
    """Each refresh used exactly one generation, no session ended, and every token still works."""
    for client in clients.clients:
        row = setup.session(client.session_id)
        assert (row.generation, row.revoked_because) == (each, None)
        with contextlib.closing(client):
            client.refresh()
    return setup.events("session.reuse") == []


@pytest.mark.slow
def test_workers_killed_during_2000_refreshes_sign_nobody_out(live: LiveServer, setup: Setup, person: Person):
    clients = RetryingClients(live, person, CLIENTS)
    killed: list[int] = []

    def kill_a_worker() -> None:
        # A worker that is being replaced counts as dead. Both may be.
        with contextlib.suppress(IndexError, ProcessLookupError):
            killed.append(random.choice(live.worker_pids()))
            os.kill(killed[-1], signal.SIGKILL)

    clients.work(EACH, meanwhile=kill_a_worker, every=200)
    assert clients.refreshes == CLIENTS * EACH
    assert len(set(killed)) >= 5
    assert clients.lost >= 5
    assert everyone_is_signed_in(clients, setup, EACH)


def test_a_server_whose_every_worker_was_killed_over_and_over_serves_again(live: LiveServer):
    for _ in range(3):  # the pause before each new start doubles
        gone = live.worker_pids()
        for worker in gone:
            os.kill(worker, signal.SIGKILL)
        wait_for(lambda: set(live.worker_pids()) - set(gone))  # noqa: B023
    wait_for(live.is_ready)


@pytest.mark.slow
@pytest.mark.postgresql
def test_a_database_that_crashes_during_refreshes_signs_nobody_out(
    own_cluster: Cluster, live_on_own_cluster: LiveServer
):
    setup = live_on_own_cluster.setup
    clients = RetryingClients(live_on_own_cluster, setup.a_person(), CLIENTS)
    crashes = 0

    def crash_the_database() -> None:
        nonlocal crashes
        own_cluster.stop("immediate")
        own_cluster.start()
        crashes += 1

    clients.work(EACH // 2, meanwhile=crash_the_database, every=200)
    assert crashes >= 2
    assert clients.put_off >= 5
    crash_the_database()  # once more at the end, because on a slow machine the last crash may come that late
    setup.database.dispose()  # the connections of this process died as well
    assert everyone_is_signed_in(clients, setup, EACH // 2)
