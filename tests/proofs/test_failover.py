"""Promises 1, 2 and 7 while PostgreSQL servers are killed and their standbys promoted."""

from __future__ import annotations

import random
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from flask import Flask
from pydantic import SecretStr

from authserver.database.engine import open_database
from authserver.sessions.refresh_token import parse
from authserver.settings.values import DatabaseSettings
from tests.support.oauth import OAuth, Person, claims, refused_as
from tests.support.proof import Proof
from tests.support.replication import Pair
from tests.support.roaming_clients import PAUSE, WINDOW, RoamingClients, problems
from tests.support.server import LiveServer
from tests.support.setup import Setup, make_setup
from tests.support.wsgi_server import wait_for

pytestmark = [pytest.mark.postgresql, pytest.mark.measures]

NODES, CLIENTS, SACRIFICED = 3, 50, 4
#: Without synchronous replication: how many clients rotate at least after the standby has got its last write.
LOST = 5
#: Seconds for which a commit waits for a standby that was killed: more than a node waits for the database.
STALL = 7


@dataclass
class Place:
    """Two servers of PostgreSQL, three nodes that name both, and a user."""

    pair: Pair
    setup: Setup
    nodes: list[LiveServer]
    person: Person


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with ExitStack() as stack:
        pair = stack.enter_context(Pair())
        made = make_setup("postgresql", tmp_path_factory.mktemp("failover"), postgres=pair.primary)
        made.an_api()
        assert made.settings.database.url is not None
        url = pair.url(made.settings.database.url.get_secret_value())
        made.database.dispose()
        settings = made.with_settings(database=DatabaseSettings(url=SecretStr(url)))
        setup = replace(made, settings=settings, database=open_database(Flask("pair"), settings))
        stack.callback(setup.database.dispose)
        nodes: list[LiveServer] = []
        for _ in range(NODES):
            issuer = {"AUTHSERVER_ISSUER": nodes[0].url} if nodes else {}
            nodes.append(LiveServer(setup, workers=1, **issuer))
            stack.callback(nodes[-1].stop)
        nodes[0].start()  # makes the keys
        with ThreadPoolExecutor() as pool:
            list(pool.map(LiveServer.start, nodes[1:]))
        yield Place(pair, setup, nodes, setup.a_person())


class SignIns:
    """Sign-ins on every node, one after the other, in one thread for each node."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._app = place.setup.an_app()
        self._over = threading.Event()
        self.good: list[dict[str, Any]] = []  # claims of access tokens
        self.statuses: set[int] = set()

    @contextmanager
    def working(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._work, args=(node,)) for node in self._place.nodes]
        for one in threads:
            one.start()
        try:
            yield
        finally:
            self._over.set()
            for one in threads:
                one.join()

    def _work(self, node: LiveServer) -> None:
        with node.http() as http:
            oauth = OAuth(http, self._app)
            while not self._over.wait(PAUSE):
                try:
                    answer = oauth.sign_in(self._place.person)
                except httpx.TransportError:  # the node is being started again
                    continue
                self.statuses.add(answer.status_code)
                if answer.status_code == 200:
                    self.good.append(claims(answer.json()["access_token"]))


def patiently(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The first answer that is not 503."""
    answers: list[httpx.Response] = []

    def is_answered() -> bool:
        answers.append(ask())
        return answers[-1].status_code != 503

    wait_for(is_answered)
    return answers[-1]


class Thefts:
    """Sessions of which a second party kept an old token, and presents it after the failover."""

    def __init__(self, place: Place) -> None:
        self._setup = place.setup
        self._oauth = place.nodes[0].oauth(retry_window=WINDOW)
        self._kept: list[tuple[str, str, str]] = []
        for _ in range(SACRIFICED):
            first = patiently(lambda: self._oauth.sign_in(place.person)).json()
            session_id = claims(first["access_token"])["sid"]
            self._kept.append((session_id, first["refresh_token"], self._rotate(session_id, first["refresh_token"])))

    def are_found(self) -> None:
        """The honest party goes on. An old token, of one generation ago or of two, is refused and ends the session."""
        for number, (session_id, oldest, older) in enumerate(self._kept):
            current = self._rotate(session_id, older)
            self._setup.let_the_window_pass(session_id, WINDOW)
            old = (older, oldest)[number % 2]
            assert refused_as(patiently(lambda: self._oauth.refresh(old)), "invalid_grant")  # noqa: B023
            assert self._setup.session(session_id).revoked_because == "reuse"
            assert refused_as(patiently(lambda: self._oauth.refresh(current)), "invalid_grant")  # noqa: B023
        self._oauth.http.close()

    def _rotate(self, session_id: str, token: str) -> str:
        self._setup.let_the_window_pass(session_id, WINDOW)
        answer = patiently(lambda: self._oauth.refresh(token))
        assert answer.status_code == 200
        following: str = answer.json()["refresh_token"]
        assert following != token
        return following


# --- The proofs -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Times:
    """Seconds from a server's death."""

    promoted: float
    first: float
    last: float


def fail_over(place: Place, clients: RoamingClients, restarted: LiveServer) -> Times:
    """Kill the primary and a node, promote the standby, start the node again. Returns when all clients are served."""
    restarted.stop(signal.SIGKILL)
    died = place.pair.fail_over()
    promoted = time.monotonic()
    restarted.start()  # leases its status indices within seconds of the failover

    clients.note_who_is_behind()
    if clients.recovering:
        declared = place.nodes[0].run("recover", "start", "--for", "10m")
        assert declared.returncode == 0, declared.stderr

    def served() -> list[float | None]:
        if not clients.recovering:
            clients.note_who_is_behind()
        return [client.served_since(died) for client in clients.clients if not clients.gave_up(client)]

    wait_for(lambda: all(served()))
    seconds = [moment - died for moment in served() if moment is not None]
    return Times(promoted - died, min(seconds), max(seconds))


def run(proof: Proof, place: Place, *, synchronous: bool, rounds: int, recovering: bool = False) -> None:
    """Kill the primary so many times while clients refresh, users sign in on all nodes, and thieves keep old tokens.

    `recovering`: the operator declares a recovery after each failover.
    """
    times: list[Times] = []
    random.seed(proof.seed)
    place.pair.synchronous = synchronous
    clients = RoamingClients(place.nodes, place.setup, place.person, CLIENTS, recovering=recovering)
    sign_ins = SignIns(place)
    found_before = len(place.setup.events("session.reuse"))
    with clients.working(), sign_ins.working():
        for number in range(rounds):
            thefts = Thefts(place)
            place.pair.settle()
            if not synchronous:
                place.pair.stop_replication()
                wait_for(has_rotated(clients, LOST))
            times.append(fail_over(place, clients, place.nodes[number % NODES]))
            thefts.are_found()
            place.pair.rebuild()
    stalled = lose_the_standby(place, clients) if synchronous else None
    lost = len(clients.behind)
    assert lost >= LOST if not synchronous else lost == 0
    assert len(place.setup.events("session.reuse")) - found_before == SACRIFICED * rounds
    verdicts(place, clients, sign_ins)
    figures(proof, times, clients, sign_ins)
    if stalled is not None:
        proof.figure(f"the synchronous standby killed, and let go of after {STALL} s", stalled)


def test_failover(proof: Proof, place: Place) -> None:
    """Failover with synchronous replication: the primary killed with -9 under 50 clients of 3 nodes."""
    run(proof, place, synchronous=True, rounds=proof.amount(1, 10))


def test_failover_that_loses_writes(proof: Proof, place: Place) -> None:
    """Failover with asynchronous replication: the standby lacks the last writes of the primary that was killed."""
    run(proof, place, synchronous=False, rounds=proof.amount(1, 4))


def test_failover_that_loses_writes_with_a_recovery(proof: Proof, place: Place) -> None:
    """Failover with asynchronous replication, after which the operator runs `authserver recover`."""
    run(proof, place, synchronous=False, rounds=proof.amount(1, 10), recovering=True)


def has_rotated(clients: RoamingClients, count: int) -> Callable[[], bool]:
    """Whether so many clients have rotated since now."""
    before = {client: client.token for client in clients.clients if not clients.gave_up(client)}
    return lambda: sum(client.token != token for client, token in before.items()) >= count


def lose_the_standby(place: Place, clients: RoamingClients) -> str:
    """Kill the standby: every rotation waits. The operator lets go of it, and all clients are served. Returns what was seen."""
    for client in clients.clients:
        place.setup.let_the_window_pass(client.session_id, WINDOW)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    long = f"{waiting} AND state_change < now() - interval '{STALL} s'"
    place.pair.standby.kill()
    lost = time.monotonic()
    with clients.working(rotating=False):
        wait_for(lambda: place.pair.ask(long)[0] >= NODES)
        (waited,) = place.pair.ask(waiting)
        answers = [one.status for one in clients.attempts if one.began > lost]
        place.pair.primary.set("synchronous_standby_names", "")
        let_go = time.monotonic()
        wait_for(lambda: all(client.served_since(lost) for client in clients.clients))
    last = max(client.served_since(lost) or 0 for client in clients.clients)
    place.pair.rebuild()
    assert 200 not in answers, "a refresh was answered although the standby did not have it"
    return (
        f"{waited} commits waited, {answers.count(503)} answers said 503; all were served {last - let_go:.2f} s later"
    )


def verdicts(place: Place, clients: RoamingClients, sign_ins: SignIns) -> None:
    for client in clients.clients:
        if clients.gave_up(client):
            assert client.attempt() == 503, "a client whose rotation was lost keeps its token, and may hope"
            client.close()
        assert problems(client.attempts) == []
        row = place.setup.session(client.session_id)
        assert row.revoked_because is None
        # The last attempt may have got no answer when the work was over. Then its rotation may have happened.
        assert (row.generation - parse(client.token).generation in (0, 1)) != clients.gave_up(client)
    assert sign_ins.statuses <= {200, 503}
    for node in place.nodes:
        log = node.log.read_text()
        assert "housekeeping_failed" not in log
        assert "status_indices_given_twice" not in log
    holders: dict[int, str] = {}
    for one in sign_ins.good:
        index = one["status"]["status_list"]["idx"]
        assert holders.setdefault(index, one["sid"]) == one["sid"], f"two sessions have the status index {index}"


def figures(proof: Proof, times: list[Times], clients: RoamingClients, sign_ins: SignIns) -> None:
    def spread(seconds: list[float]) -> str:
        return f"{statistics.median(seconds):.2f} s (median), {max(seconds):.2f} s (longest)"

    statuses = [one.status for one in clients.attempts]
    proof.figure("primaries killed with -9", str(len(times)))
    proof.figure("from the kill until the standby was promoted", spread([one.promoted for one in times]))
    proof.figure("from the kill until the first refresh was answered", spread([one.first for one in times]))
    proof.figure("from the kill until the last of 50 clients was answered", spread([one.last for one in times]))
    proof.figure(
        "refreshes answered; 503; without an answer",
        f"{statuses.count(200)}; {statuses.count(503)}; {statuses.count(0)}",
    )
    proof.figure("clients signed out", "0")
    then = "went on after the recovery" if clients.recovering else "get 503 and keep their tokens"
    proof.figure(f"clients whose last rotation was lost: they {then}", str(len(clients.behind)))
    proof.figure("sign-ins meanwhile on all nodes, each with its own status index", str(len(sign_ins.good)))
    assert clients.recovering or max(one.last for one in times) < WINDOW, "an operator may take longer than a window"
