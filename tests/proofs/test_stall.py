"""A database that stops: what needs none is answered, and no client is signed out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

import pytest
from sqlalchemy import text

from tests.support.oauth import OAuth
from tests.support.parallel_refresh import RefreshingProcesses
from tests.support.postgres import Cluster
from tests.support.prober import Prober, Sample
from tests.support.proof import Proof
from tests.support.retrying_clients import RetryingClient, RetryingClients
from tests.support.server import LiveServer
from tests.support.setup import SILENCES, Setup

pytestmark = pytest.mark.measures

CLIENTS = 40
BURST = 200
WINDOW = 30  # seconds, the default: shorter than the stop of the full form
TIMEOUT = 5.0  # seconds, the default of database.timeout
SOON = 0.1
BACK = 2.0
SLACK = 0.5  # seconds that an answer may take beside its waits, on a machine that clients share
PAUSE = 0.4  # seconds between two tries of one client: less than Retry-After, and the machine has time to spare
STATUS_LIST = "/status/0"
DOCUMENTS = ("/healthz", "/.well-known/jwks.json", "/.well-known/oauth-authorization-server", STATUS_LIST)


@contextmanager
def locked(setup: Setup) -> Iterator[None]:
    with setup.database.transaction() as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        connection.execute(text("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE"))
        yield


class Attempt(NamedTuple):
    """A try to refresh: whose it was, when it ended, the seconds that it took, and the status of its answer."""

    session_id: str
    at: float
    took: float
    status: int | None


@contextmanager
def refreshing(clients: list[RetryingClient], attempts: list[Attempt]) -> Iterator[None]:
    """Let the clients refresh all the time, and note each attempt. Raises what any of them met."""
    over = threading.Event()

    def work(client: RetryingClient) -> None:
        client.pause = PAUSE
        while not over.wait(PAUSE):
            client.refresh(
                lambda took, status: attempts.append(Attempt(client.session_id, time.monotonic(), took, status))
            )

    with ThreadPoolExecutor(len(clients)) as threads:
        running = [threads.submit(work, client) for client in clients]
        try:
            yield
        finally:
            over.set()
        for each in running:
            each.result()


def let_the_windows_pass(setup: Setup) -> None:
    """Make a rotation of each session due, also after a silence."""
    setup.sql("UPDATE sessions SET rotated_at = rotated_at - :ms", ms=1000 * (WINDOW + SILENCES))


def stall(server: LiveServer, seconds: int, cause: Callable[[], AbstractContextManager[None]], proof: Proof) -> None:
    """Let the clients refresh, stall the database for so many seconds, and check what they and others saw."""
    setup = server.setup
    clients = RetryingClients(server, setup.a_person(), CLIENTS, window=WINDOW).clients
    with server.http() as http:
        for _ in range(20):  # each worker has built it; the others it has from its start
            assert http.get(STATUS_LIST).status_code == 200
    attempts: list[Attempt] = []
    with refreshing(clients, attempts), Prober(server.port, DOCUMENTS) as prober:
        time.sleep(proof.amount(1, 2))
        let_the_windows_pass(setup)  # so rotations are under way when it begins
        began = time.monotonic()
        with cause():
            time.sleep(seconds)
            ended = time.monotonic()
        time.sleep(BACK + 1)
    what = f"{cause.__name__} for {seconds} s"
    check_documents([sample for sample in prober.samples if began <= sample.at <= ended], what, proof)
    check_refreshes(attempts, began, ended, what, proof)
    proof.figure(f"{what}: rotations whose answer was lost, and repeated", str(len(setup.events("session.retry"))))
    let_the_windows_pass(setup)
    for client in clients:
        client.refresh()
        client.close()
    assert setup.events("session.reuse") == []


def burst(server: LiveServer, proof: Proof) -> None:
    """Many more refreshes at once than there are threads all wait for their turn, if the database is well."""
    app = server.setup.an_app(public=True)
    with server.http() as http:
        token = OAuth(http, app).sign_in(server.setup.a_person()).json()["refresh_token"]
    with RefreshingProcesses(server.port, app.client_id, processes=4, threads=BURST // 4) as clients:
        clients.refresh(token)  # the connections are open
        began = time.monotonic()
        answers = clients.refresh(token)
    took = time.monotonic() - began
    assert [answer.status for answer in answers] == [200] * BURST
    proof.figure(f"a burst of {BURST} refreshes at once: all answered with 200, within", f"{took:.2f} s")


def check_documents(samples: list[Sample], what: str, proof: Proof) -> None:
    assert {sample.status for sample in samples} == {200}
    for path in DOCUMENTS:
        took = sorted(sample.seconds for sample in samples if sample.path == path)
        figures = [took[len(took) // 2], took[int(len(took) * 0.99)], took[-1]]
        proof.figure(f"{what}: {path}, p50, p99, longest", ", ".join(f"{1000 * each:.1f} ms" for each in figures))
    late = [sample for sample in samples if sample.seconds > SOON]
    assert late == [], f"{len(late)} of {len(samples)} answers took longer than {SOON} s"


def check_refreshes(attempts: list[Attempt], began: float, ended: float, what: str, proof: Proof) -> None:
    assert {attempt.status for attempt in attempts} == {200, 503}
    put_off = sorted(attempt.took for attempt in attempts if attempt.status == 503 and attempt.at > began)
    back: dict[str, float] = {}
    for attempt in attempts:
        if attempt.status == 200 and attempt.at > ended:
            back.setdefault(attempt.session_id, attempt.at - ended)
    assert len(back) == CLIENTS
    proof.figure(f"{what}: refreshes put off", str(len(put_off)))
    proof.figure(f"{what}: of them within {SOON} s", str(sum(took <= SOON for took in put_off)))
    proof.figure(f"{what}: longest wait for a 503", f"{put_off[-1]:.2f} s")
    proof.figure(f"{what}: first refresh after it, of the first client", f"{min(back.values()):.2f} s")
    proof.figure(f"{what}: first refresh after it, of the last client", f"{max(back.values()):.2f} s")
    assert put_off[-1] < TIMEOUT + SLACK
    assert max(back.values()) < BACK


def test_stall(proof: Proof, live_on_own_cluster: LiveServer, own_cluster: Cluster):
    """A stopped PostgreSQL, and a locked table, under clients that refresh."""

    def stopped() -> AbstractContextManager[None]:
        return own_cluster.stopped()

    def table_locked() -> AbstractContextManager[None]:
        return locked(live_on_own_cluster.setup)

    server = live_on_own_cluster
    burst(server, proof)
    stall(server, proof.amount(6, 40), stopped, proof)
    stall(server, proof.amount(5, 25), table_locked, proof)
