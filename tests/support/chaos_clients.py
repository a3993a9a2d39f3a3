"""Honest clients and thieves of several nodes. All that they do and see goes into one record (`chaos_history`)."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode

from authserver.database.failures import Unavailable
from tests.support.chaos_history import Act, Seen
from tests.support.oauth import App, Person, claims
from tests.support.setup import Setup

#: Seconds until a client repeats a request. Between two refreshes it waits for up to a few times as long.
PAUSE = 0.15
#: Seconds for which a node may still work at a request whose connection broke (2 s were seen): thrice `database.timeout`.
LINGERS = 15
#: Seconds that a client waits for an answer, and after which it opens a new connection.
_PATIENCE, _STALE = 60, 2
_AGAIN = (0, 503)  # no answer, and a request to come again


@dataclass
class Chaos:
    """What all of them share: the ports of the nodes, the record, and by how many seconds rotations are made older."""

    ports: Sequence[int]
    setup: Setup
    app: App
    age: int
    history: list[Seen] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


class _Caller:
    """Sends one request at a time to any node, and records it."""

    def __init__(self, chaos: Chaos, who: int, *, by_thief: bool = False) -> None:
        self._chaos = chaos
        self.who = who
        self._by_thief = by_thief
        self._connection: HTTPConnection | None = None
        self._used_at = 0.0

    def ask(self, act: Act, session: str, presented: str, **form: str) -> tuple[Seen, str]:
        """Returns the record, and the session of a sign-in."""
        began = time.monotonic()
        path = "/revoke" if act is Act.SIGN_OUT else "/token"
        try:
            status, body = self._post(path, {"client_id": self._chaos.app.client_id, **form})
        except (OSError, HTTPException, ValueError):
            status, body = 0, {}
        if act is Act.SIGN_IN and status == 200:
            session = claims(body["access_token"])["sid"]
        received, error = body.get("refresh_token", ""), body.get("error_description" if status == 503 else "error", "")
        ended = time.monotonic()
        seen = Seen(act, began, ended, session, presented, status, received, error, self.who, self._by_thief)
        self._chaos.history.append(seen)
        return seen, session

    def refresh(self, session: str, token: str) -> Seen:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return self.ask(Act.REFRESH, session, token, **form)[0]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if time.monotonic() - self._used_at > _STALE:
            self.close()
        self._used_at = time.monotonic()
        if self._connection is None:
            self._connection = HTTPConnection("127.0.0.1", random.choice(self._chaos.ports), timeout=_PATIENCE)
        try:
            self._connection.request(
                "POST", path, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"}
            )
            response = self._connection.getresponse()
            text = response.read()
            # http.client takes an answer that ends in its headers for a whole one. Only a sign-out has no body.
            body = json.loads(text) if text or path == "/token" else {}
        except (OSError, HTTPException, ValueError):
            self.close()
            raise
        if response.status in _AGAIN:
            self.close()  # the next node may know better
        return response.status, body


class HonestClient(_Caller):
    """Signs in, refreshes, signs out sometimes. It repeats what got no answer, and signs in again when it is refused."""

    def __init__(self, chaos: Chaos, who: int, person: Person) -> None:
        super().__init__(chaos, who)
        self._person = person
        self.session = self.token = ""
        self.superseded: list[str] = []  # its old tokens of this session, for thieves
        self.rotated_at = 0.0
        self._lost_at = 0.0  # when the last connection broke under a request
        self.served_at = 0.0  # when the last request that was answered began

    def work(self) -> None:
        """Go on until it is over. Then its session is whole, and no answer is missing."""
        try:
            while not self._chaos.over.is_set():
                if not self.session:
                    self.sign_in()
                elif random.random() < 0.03:
                    self.sign_out()
                else:
                    self.refresh_once()
                self._chaos.over.wait(random.uniform(PAUSE, 5 * PAUSE))
            if self.session:
                self.refresh_once()
        finally:
            self.close()

    def sign_in(self) -> None:
        form = {"grant_type": "password", "username": self._person.username, "password": self._person.password}
        seen, session = self._until_answered(Act.SIGN_IN, "", **form)
        if seen.status == 200:
            self.superseded = []
            self.session, self.token = session, seen.received

    def refresh_once(self) -> None:
        if random.random() < 0.6:
            self._pass_the_window()
        form = {"grant_type": "refresh_token", "refresh_token": self.token}
        seen, _ = self._until_answered(Act.REFRESH, self.token, **form)
        if seen.status != 200:
            self.session = ""
        elif seen.received != self.token:
            self.superseded.append(self.token)
            self.token, self.rotated_at = seen.received, time.monotonic()
        if self.session and random.random() < 0.3:
            self._pass_the_window()

    def sign_out(self) -> None:
        self._until_answered(Act.SIGN_OUT, self.token, token=self.token)
        if random.random() < 0.5:  # an app that forgot it
            self.refresh(self.session, self.token)
        self.session = ""

    def _until_answered(self, act: Act, presented: str, **form: str) -> tuple[Seen, str]:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            seen, session = self.ask(act, self.session, presented, **form)
            if seen.status == 0:
                self._lost_at = seen.ended
            if seen.status not in _AGAIN:
                self.served_at = seen.began
                return seen, session
            time.sleep(PAUSE)
        raise AssertionError(f"no answer to a {act} in {_PATIENCE} s")

    def _pass_the_window(self) -> None:
        """Make the rotation older, unless a request of the client may still be under way: that would come too late."""
        if time.monotonic() - self._lost_at < LINGERS:
            return
        began, status = time.monotonic(), 200
        try:
            self._chaos.setup.back_date(self.session, self._chaos.age)
        except Unavailable:  # the database is broken just now: the token is kept this time
            status = 0
        ended, seconds = time.monotonic(), self._chaos.age
        self._chaos.history.append(
            Seen(Act.AGE, began, ended, self.session, status=status, who=self.who, seconds=seconds)
        )


class Clients:
    """Honest clients, and thieves who have their old tokens."""

    def __init__(self, chaos: Chaos, clients: int, thieves: int) -> None:
        self._chaos = chaos
        self.clients = [HonestClient(chaos, who, chaos.setup.a_person()) for who in range(clients)]
        self._thieves = thieves

    @contextmanager
    def working(self) -> Iterator[None]:
        """Let all work during the block. Raises afterwards what any of them raised."""
        for client in self.clients:
            client.sign_in()
        with ThreadPoolExecutor(len(self.clients) + self._thieves) as pool:
            running = [pool.submit(client.work) for client in self.clients]
            running += [pool.submit(self._steal) for _ in range(self._thieves)]
            try:
                yield
            finally:
                self._chaos.over.set()
        for one in running:
            one.result()

    def served_since(self, moment: float) -> bool:
        """Whether each client has got an answer to a request that it sent after this moment."""
        return all(client.served_at > moment for client in self.clients)

    def _steal(self) -> None:
        """Replay old tokens: a fresh one as a rule within the window, any one outside of it."""
        while not self._chaos.over.wait(random.uniform(PAUSE, 10 * PAUSE)):
            if random.random() < 0.5:
                victim = max(self.clients, key=lambda client: client.rotated_at)
                session, tokens = victim.session, victim.superseded[-1:]
            else:
                victim = random.choice(self.clients)
                session, tokens = victim.session, list(victim.superseded)
            if session and tokens and session == victim.session:
                thief = _Caller(self._chaos, victim.who, by_thief=True)
                thief.refresh(session, random.choice(tokens))
                thief.close()
