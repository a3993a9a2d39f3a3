"""How soon a revocation reaches four APIs under load: from the answer of /revoke to the first refusal."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Iterator
from multiprocessing.queues import Queue
from pathlib import Path
from tempfile import TemporaryDirectory

from authserver_resource import VerificationError, Verifier

from tests.support.oauth import OAuth
from tests.support.server import LiveServer
from tests.support.setup import API, make_setup

TITLES = ["who checks", "ttl, s", "revocations", "median, s", "slowest of all, s", "guide"]
APIS = 4
_GIVE_UP_SECONDS = 60.0


def measure(ttls: tuple[int, ...], times: int) -> Iterator[list[str]]:
    """Yield a row for each ttl with our library, and one for introspection."""
    for ttl in ttls:
        with TemporaryDirectory(prefix="authserver-bench-") as directory:
            setup = make_setup("sqlite", Path(directory))
            setup.an_api()
            server = LiveServer(setup, AUTHSERVER_STATUS__TTL=str(ttl)).start()
            try:
                with server.http() as http:
                    oauth = OAuth(http, setup.an_app())
                    person = setup.a_person()
                    signed_in = [oauth.sign_in(person).json() for _ in range(times)]
                    delays = _with_apis(server.url, oauth, [tokens["access_token"] for tokens in signed_in], ttl)
                    asked = [_introspection(oauth, person) for _ in range(times)]
            finally:
                server.stop()
                setup.close()
        guide = f"at most {ttl + 2}"
        yield _row(f"{APIS} APIs with authserver_resource", str(ttl), delays, guide)
        yield _row("introspection", str(ttl), asked, "at once")


def _row(who: str, ttl: str, delays: list[float], guide: str) -> list[str]:
    return [who, ttl, str(len(delays)), f"{statistics.median(delays):.2f}", f"{max(delays):.2f}", guide]


def _with_apis(issuer: str, oauth: OAuth, tokens: list[str], ttl: int) -> list[float]:
    spawn = multiprocessing.get_context("spawn")
    refused: Queue[tuple[int, float]] = spawn.Queue()
    ready: Queue[int] = spawn.Queue()
    apis = [spawn.Process(target=_api, args=(issuer, tokens, ready, refused), daemon=True) for _ in range(APIS)]
    for api in apis:
        api.start()
    for _ in apis:
        ready.get(timeout=_GIVE_UP_SECONDS)
    revoked_at = {}
    for index, token in enumerate(tokens):
        assert oauth.revoke(token).status_code == 200
        revoked_at[index] = time.monotonic()
        time.sleep(ttl * 0.37)  # so that the revocations fall on each part of a list's life
    delays = []
    for _ in range(APIS * len(tokens)):
        index, at = refused.get(timeout=_GIVE_UP_SECONDS)
        delays.append(max(0.0, at - revoked_at[index]))
    for api in apis:
        api.join()
    return delays


def _api(issuer: str, tokens: list[str], ready: Queue[int], refused: Queue[tuple[int, float]]) -> None:
    """Run a busy API: it verifies each token that is still good a hundred times a second."""
    verifier = Verifier(issuer, API)
    left = dict(enumerate(tokens))
    for token in tokens:
        verifier.verify(token)
    ready.put(1)
    while left:
        for index, token in list(left.items()):
            try:
                verifier.verify(token)
            except VerificationError as error:
                if error.code != "revoked":
                    raise
                refused.put((index, time.monotonic()))
                del left[index]
        time.sleep(0.01)


def _introspection(oauth: OAuth, person: object) -> float:
    token = oauth.sign_in(person).json()["access_token"]  # type: ignore[arg-type]
    assert oauth.post("/introspect", {"token": token}).json()["active"]
    assert oauth.revoke(token).status_code == 200
    started = time.monotonic()
    while oauth.post("/introspect", {"token": token}).json()["active"]:
        pass
    return time.monotonic() - started
