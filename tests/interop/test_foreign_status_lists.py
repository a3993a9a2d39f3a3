"""Status lists of several makers: a foreign library reads ours, and our library for resource servers reads theirs."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import AUDIENCE, SCOPES
from tests.interop.foreign.programs import ROOT, Program, run_node
from tests.support.oauth import OAuth, Person
from tests.support.server import LiveServer

PATIENCE = 60  # seconds until a test gives up; not a measure of speed

pytestmark = pytest.mark.node


def test_their_reader_learns_from_our_list_who_signed_out(server: LiveServer, person: Person) -> None:
    with server.http() as http:
        oauth = OAuth(http, server.setup.an_app(scopes=SCOPES))
        stays, leaves = (oauth.sign_in(person, scope="profile:read").json() for _ in range(2))
        tokens = f"{stays['access_token']}\n{leaves['access_token']}\n"
        assert run_node("status.js", server.url, given=tokens) == [0, 0]
        oauth.revoke(leaves["refresh_token"])

    # A node builds a list anew at most once a second.
    deadline = time.monotonic() + PATIENCE
    while (seen := run_node("status.js", server.url, given=tokens)) == [0, 0]:
        assert time.monotonic() < deadline
    assert seen == [0, 1]


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts a foreign issuer. The arguments are the bits of an entry, and each token's status."""
    started: list[Program] = []

    def start(bits: int, *statuses: int) -> Program:
        command = ["node", "issuer.js", AUDIENCE, *map(str, (bits, *statuses))]
        started.append(Program("node", command, tmp_path / "issuer.log"))
        return started[-1]

    yield start
    for program in started:
        program.stop()


@pytest.mark.parametrize(("bits", "bad"), [(1, 1), (2, 3), (4, 9), (8, 255)])
def test_our_reader_learns_from_their_list_which_tokens_are_bad(
    issuer: Callable[..., Program], monkeypatch: pytest.MonkeyPatch, bits: int, bad: int
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "sdk" / "python"))
    library = importlib.import_module("authserver_resource")
    statuses = [0, bad, 0, 0, bad, bad, 0, 0, 0, bad]
    theirs = issuer(bits, *statuses)
    verifier = library.Verifier(theirs.url, AUDIENCE, status="fail_closed")

    def verdict(token: str) -> str:
        try:
            return str(verifier.verify(token).subject)
        except library.VerificationError as error:
            return str(error.code)

    verdicts = [verdict(token) for token in theirs.http.get("/tokens").json()]

    assert verdicts == ["revoked" if status else f"user-{index}" for index, status in enumerate(statuses)]
