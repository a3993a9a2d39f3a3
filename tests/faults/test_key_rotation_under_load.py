"""Keys rotate again and again under two nodes at work: every session goes on, and no API refuses a token."""

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import httpx
import jwt
import pytest

from authserver.keys.keyring import Keyring
from authserver.keys.model import Kind
from authserver.keys.rotation import KeyRotation
from authserver.keys.setup import open_vault, schedule
from authserver.settings.values import CacheSettings, KeySettings
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth, Person
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import API, ISSUER, Setup

pytestmark = on_both_databases

CLIENTS, ROTATIONS, PATIENCE = 4, 3, 120  # PATIENCE in seconds
MAX_AGE, NODE_CACHE = 1, 0.5  # seconds
FAST = {
    "AUTHSERVER_ISSUER": ISSUER,
    "AUTHSERVER_KEYS__JWKS_MAX_AGE": str(MAX_AGE),
    "AUTHSERVER_CACHES__MAX_AGE": str(NODE_CACHE),
}


@pytest.fixture
def nodes(setup: Setup) -> Iterator[list[LiveServer]]:
    """Two nodes on PostgreSQL; on SQLite, which has one host, two workers."""
    count = 2 if setup.kind == "postgresql" else 1
    servers = [ForkedServer(setup, workers=2 // count, **FAST).start() for _ in range(count)]
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def rotation(setup: Setup) -> KeyRotation:
    """The rotation by age, as a node's housekeeping runs it, with keys that are due at once.

    So a next key waits only for the time that it must have been published.
    """
    settings = setup.with_settings(keys=KeySettings(jwks_max_age=MAX_AGE), caches=CacheSettings(max_age=NODE_CACHE))
    at_once = replace(schedule(settings), lifetime=dict.fromkeys(Kind, 0))
    return KeyRotation(setup.database, open_vault(settings), at_once, algorithm="ES256")


class Verifier:
    """An API that caches the key set as long as it may, and fetches it for no other reason."""

    def __init__(self, nodes: list[LiveServer]) -> None:
        self._nodes = itertools.cycle(nodes)
        self._keys: dict[str, jwt.PyJWK] = {}
        self._good_until = float("-inf")

    def check(self, token: str) -> dict[str, Any]:
        if time.monotonic() >= self._good_until:
            self.fetch()
        kid = jwt.get_unverified_header(token)["kid"]
        assert kid in self._keys, "a token came before its key"
        return jwt.decode(token, self._keys[kid], algorithms=["ES256"], audience=API, issuer=ISSUER)

    def fetch(self) -> None:
        asked_at = time.monotonic()  # the age of an answer includes its transit (RFC 9111 section 4.2.3)
        with next(self._nodes).http() as http:
            answer = http.get("/.well-known/jwks.json")
        self._good_until = asked_at + int(answer.headers["cache-control"].rpartition("=")[2])
        self._keys = {key["kid"]: jwt.PyJWK(key) for key in answer.json()["keys"]}


def work(nodes: list[LiveServer], app: App, person: Person, made: list[str], stop: threading.Event) -> None:
    """Refresh at one node after the other. Check every access token at once, and add it to the list."""
    verifier = Verifier(nodes)
    refresh_token = ""
    for node in itertools.cycle(nodes):
        # A connection for each request: on SQLite the two workers share one address.
        with httpx.Client(base_url=node.url, timeout=60) as http:
            oauth = OAuth(http, app)
            answer = oauth.refresh(refresh_token) if refresh_token else oauth.sign_in(person)
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
        assert tokens["refresh_token"] != refresh_token, "without a window every refresh rotates"
        refresh_token = tokens["refresh_token"]
        assert verifier.check(tokens["access_token"])["sub"] == person.id
        made.append(tokens["access_token"])
        if stop.is_set():
            return


@pytest.mark.slow
def test_nobody_is_signed_out_and_no_token_is_refused_while_keys_rotate(
    setup: Setup, nodes: list[LiveServer], rotation: KeyRotation, person: Person
):
    app, stop = setup.an_app(retry_window=0), threading.Event()
    deadline = time.monotonic() + PATIENCE
    made: list[str] = []
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(work, nodes, app, person, made, stop) for _ in range(CLIENTS)]
        # On a busy machine a key may come and go before a client has had a token under it.
        while min(rotated(setup, kind) for kind in Kind) < ROTATIONS or len(kids_of(made)) < ROTATIONS:
            rotation.maintain()
            if wait(clients, timeout=0.1, return_when="FIRST_COMPLETED").done or time.monotonic() > deadline:
                break
        stop.set()
        for client in clients:
            client.result()
    assert min(rotated(setup, kind) for kind in Kind) >= ROTATIONS
    verifier = Verifier(nodes)
    for token in made:
        verifier.check(token)
    assert len(kids_of(made)) >= ROTATIONS, "every node took over the keys"
    used = {row.token_key_id for row in setup.sql("SELECT token_key_id FROM sessions")}
    known = Keyring(setup.database, open_vault(setup.settings), max_age=1).current().token_keys
    assert used <= set(known)
    assert setup.sql("SELECT id FROM sessions WHERE revoked_at IS NOT NULL") == []


@pytest.mark.slow
def test_rotations_at_once_sign_nobody_out_either(
    setup: Setup, nodes: list[LiveServer], rotation: KeyRotation, person: Person
):
    """Repeated `keys rotate --now` of the token key: nodes meet tokens under keys that they have never seen."""
    app = setup.an_app(retry_window=0)
    refresh_token = ""
    at = itertools.cycle(nodes)
    for number in range(60):
        if number % 3 == 0:
            rotation.rotate(Kind.TOKEN, at_once=True, actor="cli:test")
        while True:
            with httpx.Client(base_url=next(at).url, timeout=60) as http:
                oauth = OAuth(http, app)
                answer = oauth.refresh(refresh_token) if refresh_token else oauth.sign_in(person)
            if answer.status_code != 503:
                break
            assert answer.headers["retry-after"] == "1"
            time.sleep(1)  # the Retry-After of the answer
        assert answer.status_code == 200, answer.text
        refresh_token = answer.json()["refresh_token"]
    assert setup.sql("SELECT id FROM sessions WHERE revoked_at IS NOT NULL") == []


def kids_of(tokens: list[str]) -> set[str]:
    return {jwt.get_unverified_header(token)["kid"] for token in list(tokens)}


def rotated(setup: Setup, kind: Kind) -> int:
    return len(setup.sql("SELECT id FROM keys WHERE kind = :kind AND state = 'retired'", kind=kind.value))
