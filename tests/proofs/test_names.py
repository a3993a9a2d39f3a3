"""Promise: an attacker who knows only names learns by no text, status, delay or time which of them exist."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import httpx
import pytest

from tests.support.databases import on_postgresql
from tests.support.many_users import add_users
from tests.support.oauth import OAuth
from tests.support.proof import Proof
from tests.support.rank_test import p_value
from tests.support.server import LiveServer
from tests.support.setup import Setup

pytestmark = [on_postgresql, pytest.mark.measures]
KINDS = ("a user's", "no user's")
WARMING_UP = 20
#: So small a p is found among equal samples once in five thousand proofs.
LEAST = 0.0001


@dataclass
class Seen:
    """The answers to names of one kind."""

    seconds: list[float] = field(default_factory=list)
    forms: set[tuple[Any, ...]] = field(default_factory=set)


def test_names(proof: Proof, setup: Setup) -> None:
    """Telling names that exist from others: by text, status, delay and time."""
    count = proof.amount(120, 2000)
    names = {kind: [f"{kind[0]}{number:05}" for number in range(count)] for kind in KINDS}
    add_users(setup, names["a user's"])
    asked = [(kind, name, f"10.{i // 250}.{i % 250}.1") for i, (kind, name) in enumerate(each_with_its_kind(names))]
    server = LiveServer(setup, AUTHSERVER_TRUSTED_PROXIES="127.0.0.0/8", AUTHSERVER_LOG__LEVEL="WARNING").start()
    try:
        with server.http() as http:
            oauth = OAuth(http, setup.an_app(public=True))
            for number in range(WARMING_UP):
                guess(oauth, f"warm-{number}", "172.16.0.1")
            compare(proof, "wrong passwords", 400, ask(proof, oauth, asked))
            setup.sql("UPDATE throttle_buckets SET empty_at = empty_at + 20 * 900000 WHERE kind = 3")
            compare(proof, "attempts that the throttle refuses", 429, ask(proof, oauth, asked))
    finally:
        server.stop()


def each_with_its_kind(names: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(kind, name) for kind, some in names.items() for name in some]


def guess(oauth: OAuth, username: str, address: str) -> httpx.Response:
    """A wrong password from a place of its own."""
    at_place = OAuth(oauth.http, oauth.app, {"X-Forwarded-For": address})
    return at_place.token(grant_type="password", username=username, password="wrong password")


def ask(proof: Proof, oauth: OAuth, asked: list[tuple[str, str, str]]) -> dict[str, Seen]:
    """Ask for each name once, in any order: what changes on the machine meanwhile meets both kinds."""
    seen: dict[str, Seen] = defaultdict(Seen)
    for kind, name, address in proof.random.sample(asked, len(asked)):
        began = time.perf_counter()
        answer = guess(oauth, name, address)
        seen[kind].seconds.append(time.perf_counter() - began)
        seen[kind].forms.add(form_of(answer))
    return seen


def form_of(answer: httpx.Response) -> tuple[Any, ...]:
    """All of an answer but its reference, its date and the number of seconds to wait."""
    body = answer.json()
    headers = tuple(sorted(set(answer.headers) - {"date"}))
    length = answer.headers["content-length"]
    return answer.status_code, body["error"], body["error_description"], len(body["reference"]), length, headers


def compare(proof: Proof, what: str, status: int, seen: dict[str, Seen]) -> None:
    one, other = (seen[kind] for kind in KINDS)
    assert one.forms == other.forms, (one.forms, other.forms)
    assert {form[0] for form in one.forms} == {status}
    p = p_value(one.seconds, other.seconds)
    shown = smallest(lambda shift: p_value([each + shift for each in one.seconds], other.seconds) < LEAST)
    medians = " and ".join(f"{median(kind.seconds) * 1000:.2f}" for kind in (one, other))
    proof.figure(f"{what}, {len(one.seconds):,} names of each kind: median", f"{medians} ms")
    proof.figure(f"{what}: p of the rank test (the proof fails below {LEAST})", f"{p:.4f}")
    proof.figure(f"{what}: a difference of all that these samples would show", f"{shown * 1e6:.0f} µs")
    assert p >= LEAST, f"{what}: the time tells names that exist: p = {p:.2g}"


def smallest(shows: Callable[[float], bool]) -> float:
    """The smallest number of seconds, to a microsecond, that is enough."""
    low, high = 0.0, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high
