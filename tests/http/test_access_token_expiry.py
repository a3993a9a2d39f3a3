"""No access token lives longer than its session's row says, even if a node had several copies of the client.

Nodes cache clients, and a request can meet two copies. Once a token took its `exp` from one copy and the row its
`access_expires_at` from the other: a revoked token was good again when the status list no longer had it.
"""

import itertools
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event
from typing import Any
from uuid import UUID

import httpx
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authserver.apis.model import Catalogue
from authserver.database.identifiers import new_id
from authserver.oauth.server import Services
from authserver.sessions.model import SessionRecord
from authserver.settings.values import CacheSettings
from authserver.tokens.scopes import Access
from tests.support.databases import on_both_databases, on_sqlite
from tests.support.oauth import App, OAuth, Person, claims
from tests.support.setup import STALE, ANode, Setup
from tests.support.status import index_of, listed
from tests.support.token_answer import TokenAnswer, token_answer

pytestmark = on_both_databases

SHORT, LONG = 60, 3600
VERIFIERS_LEEWAY = 300
QUICK = CacheSettings(max_age=0.02)
MS = 1_700_000_000_000
times = st.integers(MS, MS + 5000) | st.integers(MS, MS + 100_000_000)


def believed_longer(setup: Setup, token: TokenAnswer) -> int:
    """The milliseconds by which a token outlives the time in its session's row; at most 0 is right."""
    expires_at: int = setup.session(token.session_id).access_expires_at
    return token.claims["exp"] * 1000 - expires_at


def forget_tokens(setup: Setup, token: TokenAnswer) -> None:
    """Make the row say that all tokens have expired, so that only the next token changes it."""
    setup.sql("UPDATE sessions SET access_expires_at = created_at WHERE id = :id", id=UUID(token.session_id))


@dataclass(frozen=True)
class Nodes:
    """Two nodes that serve one app. The copy of the node `behind` is older than the last change of the app."""

    behind: OAuth
    fresh: OAuth
    setup: Setup
    person: Person

    def signed_in(self) -> TokenAnswer:
        """A session of the node with the present client. Its row says that all tokens have expired."""
        token = token_answer(self.fresh.sign_in(self.person))
        forget_tokens(self.setup, token)
        return token


# --- the ways to an access token, each with its traces in the row ---------------------------------------------------


def sign_in(nodes: Nodes) -> httpx.Response:
    return nodes.behind.sign_in(nodes.person, scope="read write")


def rotate(nodes: Nodes) -> httpx.Response:
    return nodes.behind.refresh(nodes.signed_in().refresh_token)


def keep(nodes: Nodes) -> httpx.Response:
    second = token_answer(nodes.fresh.refresh(nodes.signed_in().refresh_token))
    forget_tokens(nodes.setup, second)
    return nodes.behind.refresh(second.refresh_token)


def retry(nodes: Nodes) -> httpx.Response:
    first = nodes.signed_in()
    forget_tokens(nodes.setup, token_answer(nodes.fresh.refresh(first.refresh_token)))
    return nodes.behind.refresh(first.refresh_token)


def retry_late(nodes: Nodes) -> httpx.Response:
    first = nodes.signed_in()
    forget_tokens(nodes.setup, token_answer(nodes.fresh.refresh(first.refresh_token)))
    nodes.setup.back_date(first.session_id, 31)
    return nodes.behind.refresh(first.refresh_token)


#: The client's policy; generation, whether the current token was presented, retries and late retries afterwards.
WAYS: dict[Callable[[Nodes], httpx.Response], tuple[str, tuple[int, bool, int, int]]] = {
    sign_in: ("rotate", (0, False, 0, 0)),
    rotate: ("rotate", (1, False, 0, 0)),
    keep: ("rotate", (1, True, 0, 0)),
    retry: ("rotate", (1, False, 1, 0)),
    retry_late: ("rotate", (2, False, 0, 1)),
}
STABLE = (rotate, ("stable", (0, True, 0, 0)))


# --- the ways in which a node meets a second copy -------------------------------------------------------------------


def grants_more(setup: Setup, app: App) -> None:
    """The node `behind` misses a scope, and reads the client again before it refuses the scope."""
    setup.change_app(app.client_id, access_token_lifetime=LONG, scopes=frozenset({"read", "write"}))


def begins_an_epoch(setup: Setup, app: App) -> None:
    """The node `behind` finds a session of a newer epoch than its copy of the client."""
    setup.end_epoch(app.client_id, enabled=True)
    setup.change_app(app.client_id, access_token_lifetime=SHORT)


BEFORE: dict[Callable[[Setup, App], None], dict[str, Any]] = {
    grants_more: {"access_token_lifetime": SHORT, "scopes": {"read"}},
    begins_an_epoch: {"access_token_lifetime": LONG, "scopes": {"read", "write"}},
}


@pytest.mark.parametrize(
    ("way", "policy", "expected"),
    [pytest.param(way, *told, id=f"{way.__name__}-{told[0]}") for way, told in [*WAYS.items(), STABLE]],
)
@pytest.mark.parametrize("change", BEFORE, ids=lambda change: change.__name__)
def test_a_revoked_token_is_listed_for_as_long_as_it_could_be_believed(
    a_node: ANode,
    person: Person,
    setup: Setup,
    change: Callable[[Setup, App], None],
    way: Callable[[Nodes], httpx.Response],
    policy: str,
    expected: tuple[int, bool, int, int],
):
    app = setup.an_app(refresh_policy=policy, late_retries=1, **BEFORE[change])
    behind, fresh, other = (a_node(STALE).as_app(app) for _ in range(3))
    assert behind.own_token().status_code == 200, "it has the old copy of the client"
    change(setup, app)
    token = token_answer(way(Nodes(behind, fresh, setup, person)))
    row = setup.session(token.session_id)
    assert (row.generation, bool(row.current_presented), row.retries, row.late_retries) == expected
    assert believed_longer(setup, token) <= 0
    assert fresh.revoke(token.refresh_token).status_code == 200
    left = token.claims["exp"] + VERIFIERS_LEEWAY - setup.database.now() / 1000
    setup.back_date(token.session_id, left - 10)  # a slow machine may need some of the ten seconds
    assert index_of(token.access_token) in listed(other.http.get("/status/0"))


# --- any copies -----------------------------------------------------------------------------------------------------


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(now=times, row=times, session=times, lifetime=st.integers(1, 86_400))
@on_sqlite  # no statement is run
def test_exp_is_the_last_whole_second_that_client_row_and_session_allow(
    app: Flask, oauth: OAuth, now: int, row: int, session: int, lifetime: int
):
    services: Services = app.extensions["authserver"].oauth.services
    client = services.clients.find(oauth.app.client_id)
    assert client is not None
    of_row = SessionRecord(
        id=new_id(),
        user_id=new_id(),
        scopes=frozenset(),
        audiences=frozenset(),
        roles=frozenset(),
        auth_time=now,
        status_index=0,
        access_expires_at=row,
        idle_expires_at=session,
        absolute_expires_at=session,
    )
    access = Access(frozenset(), frozenset({"x"}))
    copy = replace(client, access_token_lifetime=lifetime)
    token = services.access_tokens.for_session(of_row, copy, access, Catalogue({}, {}), now)
    expires_at, last = claims(token.text)["exp"], min(row, session)
    if last // 1000 <= now // 1000:
        assert expires_at == now // 1000 + 1, "the last second of a session is one of the token too"
        return
    assert expires_at * 1000 <= last
    assert expires_at <= now // 1000 + lifetime
    assert (expires_at + 1) * 1000 > last or expires_at == now // 1000 + lifetime, (
        "it does not expire sooner than it has to"
    )


def test_no_token_outlives_its_row_while_the_client_changes_all_the_time(a_node: ANode, setup: Setup):
    app = setup.an_app(late_retries=1)
    nodes = [a_node(QUICK).as_app(app) for _ in range(2)]
    over = Event()

    def change() -> None:
        for lifetime, scopes in itertools.cycle([(SHORT, {"read"}), (LONG, {"read", "write"})]):
            setup.change_app(app.client_id, access_token_lifetime=lifetime, scopes=frozenset(scopes))
            if over.wait(0.01):
                return

    def live(seed: int) -> list[tuple[int, int]]:
        """Go every way to a token, each at some node. Returns each token's lifetime, and how much too long it lives."""
        chance, person = random.Random(seed), setup.a_person()
        seen = []

        def got(answer: httpx.Response) -> TokenAnswer:
            token = token_answer(answer)
            seen.append((token.body["expires_in"], believed_longer(setup, token)))
            forget_tokens(setup, token)
            return token

        for round_ in range(8):
            first = got(chance.choice(nodes).sign_in(person))
            second = got(chance.choice(nodes).refresh(first.refresh_token))
            got(chance.choice(nodes).refresh(first.refresh_token))
            if round_ % 2:
                got(chance.choice(nodes).refresh(second.refresh_token))
            else:
                setup.back_date(first.session_id, 31)
                got(chance.choice(nodes).refresh(first.refresh_token))
        return seen

    with ThreadPoolExecutor(5) as threads:
        changing = threads.submit(change)
        try:
            seen = [each for of_one in threads.map(live, range(4)) for each in of_one]
        finally:
            over.set()
        changing.result()
    assert {SHORT, LONG} <= {good_for for good_for, _ in seen}, "the requests met both copies"
    assert max(too_long for _, too_long in seen) <= 0
