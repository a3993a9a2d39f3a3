"""If the database does not answer or takes no writes, no request waits for two time-outs, and readiness says so."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace

import httpx
import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import Connection, text

from authserver.app import create_app
from authserver.database.engine import open_database
from authserver.settings.values import CacheSettings
from tests.support.databases import on_both_databases, on_postgresql
from tests.support.hasher import PATIENCE, until
from tests.support.health import a_node, problem
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.server import LiveServer
from tests.support.setup import Setup

pytestmark = on_both_databases

METADATA = "/.well-known/oauth-authorization-server"
CALLERS = 30  # with so many, a queue cannot be mistaken for a slow machine

Get = Callable[[str], httpx.Response]


@pytest.fixture
def get(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Get, Callable[[], Connection]]]:
    """An app with one connection and caches that are always too old, and a function that takes the connection."""
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    app = create_app(setup.impatient(pool_size=1, caches=CacheSettings(max_age=1e-6)))
    engine = app.extensions["authserver"].database.engine
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=setup.settings.issuer) as http:
        yield http.get, engine.connect
    # One that goes on would put its connection back into a pool that is closed.
    until(lambda: not any(thread.name == "rereading" for thread in threading.enumerate()))
    engine.dispose()


@pytest.mark.parametrize("path", [METADATA, "/.well-known/jwks.json", "/status/0"])
def test_what_is_in_memory_is_answered_while_the_database_hangs(
    get: tuple[Get, Callable[[], Connection]], oauth: OAuth, person: Person, path: str
):
    """Once the metadata were a 503, and one caller of each other document waited for the database."""
    get_one, take_the_connection = get
    assert oauth.sign_in(person).status_code == 200, "it leases the first status indices"
    assert get_one(path).status_code == 200
    with take_the_connection():
        began = time.monotonic()
        with ThreadPoolExecutor(CALLERS) as callers:
            answers = list(callers.map(get_one, [path] * CALLERS))
        waited = time.monotonic() - began
    assert [answer.status_code for answer in answers] == [200] * CALLERS
    assert waited < CALLERS / 2, "each waited for the time-outs of all requests before it"


@on_postgresql
def test_a_worker_that_was_asked_for_nothing_before_knows_the_metadata(live: LiveServer):
    """Once it was a 503: a worker read them at the first request."""
    with live.setup.database.transaction() as holder, live.http() as http:
        holder.execute(text("LOCK TABLE apis, scopes IN ACCESS EXCLUSIVE MODE"))
        for path in (METADATA, "/.well-known/jwks.json", "/healthz"):
            assert {http.get(path).status_code for _ in range(20)} == {200}


def test_what_needs_the_database_is_temporarily_unavailable(
    get: tuple[Get, Callable[[], Connection]], oauth: OAuth, person: Person
):
    get_one, take_the_connection = get
    assert oauth.sign_in(person).status_code == 200
    with take_the_connection():
        answer = get_one("/status/0")  # this node has not built the list yet
    assert refused_as(answer, "temporarily_unavailable", 503)
    assert answer.headers["retry-after"] == "1"
    assert get_one("/status/0").status_code == 200


# --- Readiness --------------------------------------------------------------------------------------------------------

Reopen = Callable[..., Setup]


@pytest.fixture
def reopened(setup: Setup, app: Flask) -> Iterator[Reopen]:
    """The setup for another node, with its own connections and other settings of the database."""
    opened: list[Setup] = []

    def reopen(**changes: object) -> Setup:
        settings = setup.with_settings(database=setup.settings.database.model_copy(update=changes))
        opened.append(replace(setup, settings=settings, database=open_database(Flask("another"), settings)))
        return opened[-1]

    yield reopen
    for another in opened:
        another.database.dispose()


def test_a_node_whose_database_takes_no_writes_is_not_ready(setup: Setup, reopened: Reopen):
    """Once it said that it was ready, and answered every sign-in and every refresh with 503."""
    assert a_node(reopened()).get("/readyz").status_code == 200
    name = setup.settings.database_url.database
    if setup.kind == "sqlite":
        read_only = reopened(url=SecretStr(f"sqlite:///file:{name}?mode=ro&uri=true"))
    else:
        setup.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")  # counts for new connections
        read_only = reopened()
    assert problem(a_node(read_only)) == "the database takes no writes"


def test_a_result_of_readiness_expires_while_the_next_check_hangs(setup: Setup, reopened: Reopen):
    """Once other callers got the last result as long as the database hung."""
    node = a_node(reopened(timeout=PATIENCE))
    assert node.get("/readyz").status_code == 200
    over = threading.Event()

    def until_unready() -> list[str]:
        until(lambda: over.is_set() or node.get("/readyz").status_code != 200)
        return node.get("/readyz").json().get("problems", [])

    with ThreadPoolExecutor(2) as asking:
        with setup.database.transaction() as holder:
            holder.execute(text("UPDATE status_counter SET next_index = next_index"))
            for answer in [asking.submit(until_unready) for _ in range(2)]:
                assert answer.result() == ["the database answers too slowly"]
        over.set()
    until(lambda: node.get("/readyz").status_code == 200)  # as soon as the check that hung has ended


def test_parallel_questions_during_the_first_check_get_its_result(setup: Setup, reopened: Reopen):
    """Once all other callers learned that the node was not ready while its first check ran."""
    another = reopened()

    def all_were_told_that_it_is_ready() -> bool:
        node = a_node(another)
        with ThreadPoolExecutor(3) as balancers:
            with setup.database.transaction() as holder:
                holder.execute(text("UPDATE status_counter SET next_index = next_index"))
                asked = [balancers.submit(node.get, "/readyz") for _ in range(3)]
                wait(asked, 0.3, FIRST_COMPLETED)  # the check hangs this long, or until one caller has an answer
            return {answer.result().status_code for answer in asked} == {200}

    until(
        all_were_told_that_it_is_ready
    )  # a slow machine needs a few tries, because no caller waits longer than a second
