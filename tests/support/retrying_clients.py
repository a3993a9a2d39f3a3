"""Many honest clients whose servers or database a test kills: they repeat each request that got no answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from http.client import HTTPConnection, HTTPException
from typing import Any

from authserver.database.failures import Unavailable
from tests.support.oauth import App, OAuth, Person, claims
from tests.support.parallel_refresh import post_refresh
from tests.support.server import LiveServer
from tests.support.setup import Setup

WINDOW = 120  # seconds: a database that recovers on a slow disk is back by then
#: Seconds until a client repeats a request. A real client would wait for the seconds of Retry-After.
PAUSE = 0.1


class SignedOut(Exception):
    """The server refused an honest client; the text has the answer."""


class RetryingClient:
    """One client with a session of its own.

    It waits for the answer as long as its connection stands. So after an answer no request of it is under way, and a
    test may make time pass for the session.
    """

    def __init__(self, server: LiveServer, app: App, session_id: str, refresh_token: str) -> None:
        self._server = server
        self._app = app
        self._connection: HTTPConnection | None = None
        self.pause = PAUSE
        self.session_id = session_id
        self.refresh_token = refresh_token
        self.refreshes = 0
        self.lost = 0  # requests whose connection broke before the answer came
        self.put_off = 0  # answers that said 503
        self.longest = 0.0  # seconds from a first attempt to its answer

    def refresh(self, note: Callable[[float, int | None], None] = lambda _took, _status: None) -> None:
        """Refresh once, with as many tries as it takes within the retry window.

        `note` gets the seconds of each try, and the status of its answer; None if there was none.

        Raises:
            SignedOut: refused.
        """
        began = time.monotonic()
        while True:
            tried_at = time.monotonic()
            answer = self._attempt()
            note(time.monotonic() - tried_at, None if answer is None else answer.status)
            if answer is not None and answer.status == 200:
                break
            if answer is not None and answer.status != 503:
                raise SignedOut(f"{answer.status} after {self.refreshes} refreshes, {self.lost} answers lost")
            assert time.monotonic() - began < WINDOW, "no answer within the window: this proves nothing"
            time.sleep(self.pause)
        assert answer.refresh_token is not None
        self.refresh_token = answer.refresh_token
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
            answer = post_refresh(self._connection, self._app.client_id, self.refresh_token)
        except (OSError, HTTPException):
            self.lost += sent
            self.close()
            return None
        self.put_off += answer.status == 503
        return answer


class RetryingClients:
    """Clients at work, each on a session of its own."""

    def __init__(self, server: LiveServer, person: Person, count: int, *, window: int = WINDOW) -> None:
        self._setup: Setup = server.setup
        self._window = window
        app = self._setup.an_app(public=True, retry_window=window)
        self.clients = []
        with server.http() as http:
            for _ in range(count):
                signed_in = OAuth(http, app).sign_in(person).json()
                session_id = claims(signed_in["access_token"])["sid"]
                self.clients.append(RetryingClient(server, app, session_id, signed_in["refresh_token"]))

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
        """Every client refreshes `each` times, its session a window older each time. Raises the error of any client.

        `meanwhile` is called at random moments, about once in `every` refreshes of all clients.
        """

        def work(client: RetryingClient) -> None:
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

    def _let_the_window_pass(self, client: RetryingClient) -> None:
        """Make the session older, as if the client had paused. No request of the client is under way."""
        while True:
            try:
                self._setup.let_the_window_pass(client.session_id, self._window)
            except Unavailable:  # the database is down just now
                time.sleep(PAUSE)
            else:
                return
