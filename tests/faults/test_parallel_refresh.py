"""Many clients of several processes present one refresh token to several workers: one generation, one successor."""

import pytest

from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, claims
from tests.support.parallel_refresh import RefreshingProcesses
from tests.support.server import LiveServer
from tests.support.setup import Setup

pytestmark = on_both_databases

PROCESSES, THREADS, ROUNDS = 4, 16, 30


@pytest.mark.slow
def test_64_parallel_refreshes_use_one_generation_and_get_one_successor(live: LiveServer, setup: Setup, person: Person):
    app = setup.an_app(public=True)
    with live.http() as http:
        signed_in = OAuth(http, app).sign_in(person).json()
    session_id, token = claims(signed_in["access_token"])["sid"], signed_in["refresh_token"]
    assert len(live.worker_pids()) == 2
    with RefreshingProcesses(live.port, app.client_id, processes=PROCESSES, threads=THREADS) as processes:
        for generation in range(1, ROUNDS + 1):
            setup.back_date(session_id, 31)
            answers = processes.refresh(token)
            assert len(answers) == PROCESSES * THREADS
            assert {answer.status for answer in answers} == {200}
            (successor,) = {answer.refresh_token for answer in answers}
            assert successor is not None
            assert successor != token
            row = setup.session(session_id)
            assert (row.generation, row.revoked_at) == (generation, None)
            # One of them rotated; every other was a retry.
            assert row.recent_retries == PROCESSES * THREADS - 1
            token = successor


@pytest.mark.slow
def test_of_64_parallel_refreshes_without_a_window_one_gets_a_token_and_the_session_ends(
    live: LiveServer, setup: Setup, person: Person
):
    """Strict single use: the server cannot tell a repeated request from a thief's."""
    app = setup.an_app(public=True, retry_window=0)
    with (
        live.http() as http,
        RefreshingProcesses(live.port, app.client_id, processes=PROCESSES, threads=THREADS) as processes,
    ):
        for _ in range(ROUNDS // 5):
            signed_in = OAuth(http, app).sign_in(person).json()
            session_id = claims(signed_in["access_token"])["sid"]
            answers = processes.refresh(signed_in["refresh_token"])
            assert [answer.status for answer in answers].count(200) == 1
            assert {answer.status for answer in answers} == {200, 400}
            row = setup.session(session_id)
            assert (row.generation, row.revoked_because) == (1, "reuse")
        assert len(setup.events("session.reuse")) == ROUNDS // 5
