"""A PostgreSQL whose processes are stopped goes on taking statements, and runs them when it goes on."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from authserver.database import heartbeat
from tests.support.guesses import code_made_with
from tests.support.hasher import blocked_hasher, until
from tests.support.oauth import OAuth, claims, refused_as
from tests.support.postgres import Cluster
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import Setup
from tests.support.visitor import Visitor

pytestmark = pytest.mark.postgresql

WINDOW = 6  # seconds: a busy machine may be a few late in the tests that wait until it is over


@pytest.fixture
def server(on_own_cluster: Setup) -> Iterator[LiveServer]:
    live = ForkedServer(on_own_cluster, workers=1, AUTHSERVER_DATABASE__TIMEOUT="1").start()
    yield live
    live.stop()


@pytest.fixture
def oauth(server: LiveServer) -> Iterator[OAuth]:
    with server.http() as http:
        yield OAuth(http, server.setup.an_app(public=True, retry_window=WINDOW))


def backends(setup: Setup) -> set[int]:
    """The server's processes for connections, but for the one that is asked."""
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    return {row.pid for row in setup.sql(f"SELECT pid FROM pg_stat_activity WHERE {others}")}


def later(answer: httpx.Response) -> bool:
    return refused_as(answer, "temporarily_unavailable", 503) and int(answer.headers["retry-after"]) <= WINDOW // 2


def test_a_refresh_that_the_database_reads_too_late_changes_nothing(
    server: LiveServer, oauth: OAuth, own_cluster: Cluster
):
    """Once it was run after its caller had got 503, and a client that came again after the window was signed out."""
    setup = server.setup
    signed_in = oauth.sign_in(setup.a_person()).json()
    session_id, token = claims(signed_in["access_token"])["sid"], signed_in["refresh_token"]
    asked = backends(setup)
    with own_cluster.stopped():
        assert later(oauth.refresh(token))
    until(lambda: asked - backends(setup))  # the statement was read before the end of its connection
    assert setup.session(session_id).generation == 0
    assert oauth.refresh(token).status_code == 200
    assert setup.session(session_id).generation == 1


def test_the_window_does_not_pass_while_the_database_is_stopped(server: LiveServer, oauth: OAuth, own_cluster: Cluster):
    """Once a client was signed out whose rotation was being committed when the database stopped for longer."""
    setup = server.setup
    signed_in = oauth.sign_in(setup.a_person()).json()
    session_id, token = claims(signed_in["access_token"])["sid"], signed_in["refresh_token"]
    lost = oauth.refresh(token).json()["refresh_token"]
    with own_cluster.stopped():
        for _ in range(WINDOW + 1):  # a second each
            assert later(oauth.refresh(token))
    assert oauth.refresh(lost).json()["refresh_token"] == lost, "nor does it pass for its successor"
    assert oauth.refresh(token).json()["refresh_token"] == lost
    setup.let_the_window_pass(session_id, WINDOW)
    assert refused_as(oauth.refresh(token), "invalid_grant"), "only silences are left out"


def test_a_worker_without_requests_notices_that_the_database_is_stopped(
    server: LiveServer, oauth: OAuth, own_cluster: Cluster
):
    token = oauth.sign_in(server.setup.a_person()).json()["refresh_token"]
    lost = oauth.refresh(token).json()["refresh_token"]
    with own_cluster.stopped():
        time.sleep(WINDOW + heartbeat.EVERY + 0.5)
    assert oauth.refresh(token).json()["refresh_token"] == lost


def test_a_sign_in_that_the_database_reads_too_late_leaves_its_code(
    server: LiveServer, oauth: OAuth, own_cluster: Cluster
):
    """Once the code was used up after its sign-in had got 503."""
    setup = server.setup
    person = setup.a_person()
    with server.http() as http:
        browser = Visitor(http, server.url)
        assert browser.sign_in(person).status_code == 303
        code = code_made_with(browser)
    charged = "SELECT slot FROM throttle_buckets WHERE kind = 7 AND empty_at > 0"
    with ThreadPoolExecutor(1) as threads:
        with blocked_hasher(setup) as release:
            waiting = threads.submit(oauth.sign_in, person, sign_in_code=code)
            until(lambda: setup.sql(charged))  # it has found the code
            asked = backends(setup)
            with own_cluster.stopped():
                release()
                assert refused_as(waiting.result(), "temporarily_unavailable", 503)
        until(lambda: asked - backends(setup))  # the statement was read before the end of its connection
    assert len(setup.sql("SELECT * FROM sign_in_codes")) == 1
    assert oauth.sign_in(person, sign_in_code=code).status_code == 200
    assert setup.sql("SELECT * FROM sign_in_codes") == []
