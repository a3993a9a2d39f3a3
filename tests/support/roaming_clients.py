"""Honest clients of several nodes, the record of all their answers, and an independent check of this record.

The check knows the rules and not the server: it reads the session and the generation in each token, and no row.
"""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from authserver.database.failures import Unavailable
from authserver.sessions.refresh_token import parse
from tests.support.oauth import App, OAuth, Person, claims
from tests.support.parallel_refresh import post_refresh
from tests.support.server import LiveServer
from tests.support.setup import Setup

WINDOW = 30  # seconds, the default of the settings
#: Seconds until a client repeats a request. Between two refreshes it waits for a few times as long.
PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request of a client. `status` is 0 if no answer came."""

    began: float
    ended: float
    presented: str
    status: int
    received: str | None


class RoamingClient:
    """A client with one session. It repeats a refresh that got no answer, or 503, at another node."""

    def __init__(self, nodes: Sequence[LiveServer], app: App, signed_in: dict[str, Any]) -> None:
        self._nodes = nodes
        self._app = app
        self._connection: HTTPConnection | None = None
        self.session_id: str = claims(signed_in["access_token"])["sid"]
        self.token: str = signed_in["refresh_token"]
        self.attempts: list[Attempt] = []

    def attempt(self) -> int:
        """Present the token once, and take over what comes back. Returns the status."""
        began, presented = time.monotonic(), self.token
        status, received = 0, None
        try:
            if self._connection is None:
                self._connection = HTTPConnection("127.0.0.1", random.choice(self._nodes).port, timeout=4 * WINDOW)
            status, received = post_refresh(self._connection, self._app.client_id, presented)
        except (OSError, HTTPException):
            pass
        self.attempts.append(Attempt(began, time.monotonic(), presented, status, received))
        self.token = received or presented
        if status != 200:
            self.close()
        return status

    def served_since(self, moment: float) -> float | None:
        """When it got the first good answer to a request that it sent after this moment."""
        good = (one.ended for one in self.attempts if one.status == 200 and one.began > moment)
        return next(good, None)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class RoamingClients:
    """Clients at work, each in a thread.

    `behind` has clients whose rotations a failover has lost: they get 503 until the operator acts. They stop working,
    unless they are `recovering`.
    """

    def __init__(
        self, nodes: Sequence[LiveServer], setup: Setup, person: Person, count: int, *, recovering: bool
    ) -> None:
        self._setup = setup
        app = setup.an_app(public=True, retry_window=WINDOW)
        with nodes[0].http() as http:
            signed_in = [OAuth(http, app).sign_in(person).json() for _ in range(count)]
        self.clients = [RoamingClient(nodes, app, one) for one in signed_in]
        self._over = threading.Event()
        self.behind: set[RoamingClient] = set()
        self.recovering = recovering

    @property
    def attempts(self) -> list[Attempt]:
        return [one for client in self.clients for one in client.attempts]

    def gave_up(self, client: RoamingClient) -> bool:
        """Whether the client waits for an operator who does not come."""
        return client in self.behind and not self.recovering

    def note_who_is_behind(self) -> None:
        """Find the clients whose tokens are newer than their rows: after a failover a row never goes back again."""
        for client in self.clients:
            token = client.token
            with suppress(*Unavailable):  # a connection to the old primary: another look follows
                if self._setup.session(client.session_id).generation < parse(token).generation:
                    self.behind.add(client)

    @contextmanager
    def working(self, *, rotating: bool = True) -> Iterator[None]:
        """Let them work during the block. Raises afterwards what any of them raised.

        `rotating`: a window passes before each refresh. Otherwise only the first refresh of each may be a rotation.
        """
        self._over.clear()
        with ThreadPoolExecutor(len(self.clients)) as pool:
            running = [pool.submit(self._work, client, rotating=rotating) for client in self.clients]
            try:
                yield
            finally:
                self._over.set()
        for one in running:
            one.result()

    def _work(self, client: RoamingClient, *, rotating: bool) -> None:
        """Refresh again and again."""
        try:
            while not self._over.is_set():
                if rotating:
                    self._let_the_window_pass(client)
                while not self.gave_up(client) and (status := client.attempt()) != 200:
                    assert status in (0, 503), f"signed out: {status}"
                    self._over.wait(PAUSE)
                if self.gave_up(client):
                    return
                self._over.wait(random.uniform(2 * PAUSE, 8 * PAUSE))
        finally:
            client.close()

    def _let_the_window_pass(self, client: RoamingClient) -> None:
        while not self._over.is_set():
            try:
                return self._setup.let_the_window_pass(client.session_id, WINDOW)
            except Unavailable:  # the database is down just now
                self._over.wait(PAUSE)
        return None


def problems(attempts: Iterable[Attempt]) -> list[str]:
    """What is wrong with the answers to one honest client, in the order of its attempts."""
    found = []
    successors: dict[str, set[str]] = defaultdict(set)
    for one in attempts:
        if one.status not in (0, 200, 503):
            found.append(f"an honest client got {one.status}")
        if one.received is None:
            continue
        before, after = parse(one.presented), parse(one.received)
        if after.session_id != before.session_id or after.generation - before.generation not in (0, 1):
            found.append(f"generation {after.generation} for {before.generation}")
        if one.received != one.presented:
            successors[one.presented].add(one.received)
    forked = (parse(token).generation for token, made in successors.items() if len(made) > 1)
    return found + [f"generation {generation} was accepted twice, with two successors" for generation in forked]
