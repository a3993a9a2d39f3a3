"""Nodes that an operator replaces one after the other behind a balancer, and clients that notice every failure."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx

from tests.support.oauth import App, OAuth, Person, claims
from tests.support.server import LiveServer
from tests.support.setup import Setup

WINDOW = 30  # seconds: the retry window of the clients
_PACE = 0.05  # seconds between two refreshes of a client
_PATIENCE = 60  # seconds


class Balancer:
    """Leads each request to one of the nodes in rotation."""

    def __init__(self, nodes: Sequence[LiveServer]) -> None:
        self._nodes = list(nodes)
        self._busy: Counter[int] = Counter()
        self._changed = threading.Condition()

    @property
    def nodes(self) -> list[LiveServer]:
        with self._changed:
            return list(self._nodes)

    @contextmanager
    def node(self, choice: random.Random) -> Iterator[LiveServer]:
        """A node for one request. While the request is under way, the node is not stopped."""
        with self._changed:
            picked = choice.choice(self._nodes)
            self._busy[picked.port] += 1
        try:
            yield picked
        finally:
            with self._changed:
                self._busy[picked.port] -= 1
                self._changed.notify_all()

    def replace(self, old: LiveServer, new: LiveServer) -> None:
        """As docs/operating.md says it: take the node out of rotation, end it with SIGTERM, start the new one."""
        with self._changed:
            self._nodes.remove(old)
            assert self._changed.wait_for(lambda: not self._busy[old.port], _PATIENCE)
        assert old.stop() == 0
        new.start()
        with self._changed:
            self._nodes.append(new)

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


class RollingClient:
    """One session. Each request has to succeed at the first try, but for 503, which `put_off` counts.

    After half of its refreshes the client behaves as if it had lost the answer, and repeats the refresh at any node.
    """

    def __init__(self, balancer: Balancer, setup: Setup, app: App, person: Person, seed: int) -> None:
        self._balancer = balancer
        self._setup = setup
        self.app = app
        self._person = person
        self.random = random.Random(seed)
        self.requests = self.put_off = self.refreshes = 0
        self.longest = 0.0  # seconds
        #: The checkouts of the nodes that rotated a token and that answered its repetition.
        self.repeated: Counter[tuple[str, str]] = Counter()
        self.access_token = self.refresh_token = self.session_id = ""

    def ask(self, act: Callable[[OAuth], httpx.Response]) -> tuple[httpx.Response, str]:
        """The answer 200 to one request, and the checkout of the node that gave it."""
        while True:
            began = time.monotonic()
            with self._balancer.node(self.random) as node, node.http() as http:
                answer = act(OAuth(http, self.app))
            self.longest = max(self.longest, time.monotonic() - began)
            self.requests += 1
            if answer.status_code != 503:
                assert answer.status_code == 200, f"{node.root}: {answer.request.url} {answer.text}"
                return answer, str(node.root)
            self.put_off += 1
            time.sleep(float(answer.headers["retry-after"]))

    def sign_in(self) -> None:
        answer, _ = self.ask(lambda oauth: oauth.sign_in(self._person))
        self.hold(answer.json())

    def hold(self, tokens: dict[str, str]) -> None:
        """Go on with these tokens."""
        self.access_token, self.refresh_token = tokens["access_token"], tokens["refresh_token"]
        self.session_id = claims(self.access_token)["sid"]

    def refresh(self) -> None:
        self._setup.let_the_window_pass(self.session_id, WINDOW)  # else the token would be kept
        used = self.refresh_token
        answer, first = self.ask(lambda oauth: oauth.refresh(used))
        self.hold(answer.json())
        assert self.refresh_token != used
        self.refreshes += 1
        if self.random.random() < 1 / 2:
            again, second = self.ask(lambda oauth: oauth.refresh(used))
            assert again.json()["refresh_token"] == self.refresh_token, "a retry gets the same successor"
            self.repeated[first, second] += 1


@contextmanager
def at_work(
    clients: Sequence[RollingClient], *others: Callable[[RollingClient], object]
) -> Iterator[Callable[[], None]]:
    """Let every client refresh until the block ends, and after each refresh do one of the others' work in turn.

    Yields a function that raises the error of a client, if one has failed. The end of the block raises it as well.
    """
    stop = threading.Event()

    def work(client: RollingClient) -> None:
        for other in itertools.cycle(others or [None]):
            client.refresh()
            if other is not None:
                other(client)
            if stop.wait(_PACE):
                return

    with ThreadPoolExecutor(len(clients)) as pool:
        running = [pool.submit(work, client) for client in clients]

        def look() -> None:
            for future in running:
                if future.done():
                    future.result()

        try:
            yield look
        finally:
            stop.set()
            for future in running:
                future.result()
