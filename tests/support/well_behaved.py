"""Clients that behave, many of them, while what they depend on is killed: they repeat what was not answered."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from http.client import HTTPConnection, HTTPException
from typing import Any

from authserver.database.engine import Unavailable
from tests.support.crowd import post_refresh
from tests.support.oauth import App, OAuth, Person, claims
from tests.support.server import LiveServer
from tests.support.stage import Stage

WINDOW = 120  # seconds: a database that recovers on a slow disk is back by then
#: What a client waits before it repeats a request; a real one would honour Retry-After to the second.
PAUSE = 0.1


class SignedOut(Exception):
    """A client that behaved was refused; the text is what it was told."""


class WellBehaved:
    """One client with a session of its own.

    It gives no request up while its connection stands: only then may a test make time pass for the session, because
    then no request of it can be under way any more.
    """

    def __init__(self, server: LiveServer, app: App, session_id: str, refresh_token: str) -> None:
        self._server = server
        self._app = app
        self._connection: HTTPConnection | None = None
        self.session_id = session_id
        self.refresh_token = refresh_token
        self.refreshes = 0
        self.lost = 0  # requests whose connection broke before the answer came
        self.put_off = 0  # answers that said 503
        self.longest = 0.0  # seconds from a first attempt to its answer

    def refresh(self) -> None:
        """Refresh once, as often as it takes within the retry window.

        Raises:
            SignedOut: refused.
        """
        began = time.monotonic()
        while True:
            said = self._attempt()
            if said is not None and said.status == 200:
                break
            if said is not None and said.status != 503:
                raise SignedOut(f"{said.status} after {self.refreshes} refreshes, {self.lost} answers lost")
            assert time.monotonic() - began < WINDOW, "no answer within the window: this proves nothing"
            time.sleep(PAUSE)
        assert said.refresh_token is not None
        self.refresh_token = said.refresh_token
        self.refreshes += 1
        self.longest = max(self.longest, time.monotonic() - began)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _attempt(self) -> Any:
        sent = False
        try:
            if self._connection is None:
                self._connection = HTTPConnection("127.0.0.1", self._server.port, timeout=WINDOW)
                self._connection.connect()
            sent = True
            said = post_refresh(self._connection, self._app.client_id, self.refresh_token)
        except (OSError, HTTPException):
            self.lost += sent
            self.close()
            return None
        self.put_off += said.status == 503
        return said


class Herd:
    """Well-behaved clients at work, each on a session of its own."""

    def __init__(self, server: LiveServer, person: Person, count: int) -> None:
        self._stage: Stage = server.stage
        app = self._stage.an_app(public=True, retry_window=WINDOW)
        self.clients = []
        with server.http() as http:
            for _ in range(count):
                signed_in = OAuth(http, app).sign_in(person).json()
                session_id = claims(signed_in["access_token"])["sid"]
                self.clients.append(WellBehaved(server, app, session_id, signed_in["refresh_token"]))

    @property
    def refreshes(self) -> int:
        return sum(client.refreshes for client in self.clients)

    @property
    def lost(self) -> int:
        return sum(client.lost for client in self.clients)

    @property
    def put_off(self) -> int:
        return sum(client.put_off for client in self.clients)

    def work(self, each: int, meanwhile: Callable[[], None], *, every: int) -> None:
        """Every client refreshes `each` times, its session a window older each time. Raises what any of them raises.

        `meanwhile` is called at random moments until then, once in about `every` refreshes of all.
        """

        def work(client: WellBehaved) -> None:
            for _ in range(each):
                self._let_the_window_pass(client)
                client.refresh()

        try:
            with ThreadPoolExecutor(len(self.clients)) as pool:
                running = [pool.submit(work, client) for client in self.clients]
                due = random.randint(1, 2 * every)
                while wait(running, timeout=random.uniform(0, 0.02)).not_done:
                    if self.refreshes >= due:
                        meanwhile()
                        due = self.refreshes + random.randint(1, 2 * every)
        finally:
            for client in self.clients:
                client.close()
        for future in running:
            future.result()

    def _let_the_window_pass(self, client: WellBehaved) -> None:
        """As if the client had paused: its last answer is here, so nothing of it is under way."""
        while True:
            try:
                self._stage.back_date(client.session_id, WINDOW + 1)
            except Unavailable:  # the database is down just now
                time.sleep(PAUSE)
            else:
                return
