"""The answers for operators and load balancers: /healthz, /readyz and /metrics."""

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from authserver.app import create_app
from authserver.database import schema
from authserver.database.engine import open_database
from authserver.keys.keyring import Keyring
from authserver.keys.setup import open_vault
from authserver.keys.vault import Vault
from authserver.operations.health import Readiness
from authserver.settings.values import MetricsSettings
from tests.support.databases import on_both_databases, on_postgresql
from tests.support.health import a_node, problem
from tests.support.oauth import OAuth, Person
from tests.support.postgres import Cluster, postgres_or_skip
from tests.support.server import ForkedServer
from tests.support.setup import Setup

METRICS_TOKEN = "a-metrics-token-of-the-tests"


# --- /healthz and /readyz ---------------------------------------------------------------------------------------------


def test_a_healthy_node_says_so(oauth: OAuth):
    for path in ("/healthz", "/readyz"):
        answer = oauth.http.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert answer.headers["cache-control"] == "no-store"


@on_both_databases
def test_a_node_without_a_schema_is_not_ready(setup: Setup, app: Flask):
    assert a_node(setup).get("/readyz").status_code == 200
    setup.sql("DELETE FROM alembic_version")
    assert problem(a_node(setup)) == "the database is empty; run: authserver db upgrade"


@on_both_databases
def test_a_newer_schema_leaves_running_nodes_ready(setup: Setup, oauth: OAuth, person: Person):
    """A rolling upgrade migrates first. If all old nodes then were not ready, no node would get requests."""
    token = oauth.sign_in(person).json()["refresh_token"]
    setup.sql("UPDATE alembic_version SET version_num = '9999'")
    schema.check(setup.database)
    assert a_node(setup).get("/readyz").status_code == 200
    assert oauth.refresh(token).status_code == 200


@on_both_databases
def test_a_worker_that_dies_during_a_rolling_upgrade_is_started_again(setup: Setup, app: Flask, person: Person):
    setup.sql("UPDATE alembic_version SET version_num = '9999'")
    again = create_app(setup.settings)
    try:
        with httpx.Client(transport=httpx.WSGITransport(again), base_url=setup.settings.issuer) as http:
            assert OAuth(http, setup.an_app()).sign_in(person).status_code == 200
    finally:
        again.extensions["authserver"].database.dispose()


@on_both_databases
def test_a_node_before_the_first_keys_is_not_ready(setup: Setup):
    assert problem(a_node(setup)) == "there are no keys yet; start the server once: authserver serve"


def test_a_node_that_cannot_open_the_keys_is_not_ready_but_lives(setup: Setup, app: Flask):
    stranger = a_node(setup, vault=Vault(b"x" * 32))
    text = problem(stranger)
    assert re.fullmatch(
        r"the keys in the database are sealed under master key [0-9a-f]{16}, but the one at hand is [0-9a-f]{16}; "
        r"restore that key \(docs/keys.md says what else helps\)",
        text,
    )
    assert stranger.get("/healthz").status_code == 200


@on_postgresql
@pytest.mark.parametrize("ahead", [-7, -3, 0, 3, 7])
def test_a_clock_that_differs_from_the_databases_by_too_much_is_not_ready(setup: Setup, app: Flask, ahead: int):
    """The database's clock is moved by a function of its own in front of PostgreSQL's; SQLite has the node's clock."""
    setup.sql("CREATE SCHEMA another_clock")
    setup.sql(
        "CREATE FUNCTION another_clock.statement_timestamp() RETURNS timestamptz LANGUAGE sql AS "
        f"$$SELECT pg_catalog.statement_timestamp() + interval '{ahead} seconds'$$"
    )
    (row,) = setup.sql("SELECT current_database()")
    setup.sql(f"ALTER DATABASE {row[0]} SET search_path = another_clock, pg_catalog, public")
    setup.database.dispose()  # counts for new connections
    node = a_node(setup)
    if abs(ahead) <= setup.settings.database.max_clock_skew:
        assert node.get("/readyz").status_code == 200
        return
    found = re.fullmatch(r"this node's clock and the database's differ by ([\d.]+) s; at most 5 s", problem(node))
    assert found
    # The time of the query is not skew, so it makes the figure smaller.
    assert 5 < float(found[1]) <= 7.1


@on_both_databases
def test_readiness_asks_the_database_at_most_once_a_second(oauth: OAuth, statements: Any):
    began = time.monotonic()
    oauth.http.get("/readyz")
    with statements.counted() as seen:
        for _ in range(20):
            assert oauth.http.get("/readyz").status_code == 200
    assert len(seen) <= 6 * int(time.monotonic() - began), "one round of checks for each second that passed"


@on_postgresql
def test_with_the_database_away_a_node_lives_serves_its_keys_and_says_what_is_missing(
    setup: Setup, oauth: OAuth, person: Person
):
    token = oauth.sign_in(person).json()["refresh_token"]
    node, cluster = a_node(setup), postgres_or_skip()
    if not isinstance(cluster, Cluster):
        url = setup.settings.database.url.get_secret_value()
        pytest.skip(f"only a cluster of our own may be stopped, not the one of {url.rpartition('@')[2]}")
    cluster.stop("immediate")
    try:
        assert problem(node) == "the database does not answer"
        for path in ("/healthz", "/.well-known/jwks.json"):
            assert oauth.http.get(path).status_code == 200
        answer = oauth.refresh(token)
        assert answer.status_code == 503
        assert answer.json()["error"] == "temporarily_unavailable"
        assert int(answer.headers["retry-after"]) > 0
    finally:
        cluster.start()
    assert a_node(setup).get("/readyz").status_code == 200
    assert oauth.refresh(token).status_code == 200


def test_a_database_file_that_is_not_there_is_a_database_away(setup: Setup):
    broken = setup.with_settings(
        database=setup.settings.database.model_copy(
            update={"url": SecretStr("sqlite:////nowhere/at/all.db"), "timeout": 1}
        )
    )
    database = open_database(Flask("broken"), broken)
    readiness = Readiness(database, Keyring(database, open_vault(setup.settings), max_age=4), max_clock_skew=5)
    assert readiness.problems() == ["the database does not answer"]
    database.dispose()


# --- /metrics ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def measured(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[OAuth]:
    """An app at a server that has a metrics token."""
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    made = create_app(setup.with_settings(metrics=MetricsSettings(token=SecretStr(METRICS_TOKEN))))
    with httpx.Client(transport=httpx.WSGITransport(made), base_url=setup.settings.issuer) as http:
        yield OAuth(http, setup.an_app(retry_window=0))
    made.extensions["authserver"].database.dispose()


def bearer(token: str = METRICS_TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def figures(http: httpx.Client) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels, in the order of the labels' names."""
    answer = http.get("/metrics", headers=bearer())
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_without_a_token_in_the_settings_there_are_no_metrics(oauth: OAuth):
    assert oauth.http.get("/metrics", headers=bearer()).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong"),
        bearer(METRICS_TOKEN + "x"),
        bearer(METRICS_TOKEN[:-1]),
        {"Authorization": METRICS_TOKEN},
        {"Authorization": "Basic " + METRICS_TOKEN},
    ],
)
def test_metrics_are_for_those_who_have_the_token(measured: OAuth, headers: dict[str, Any]):
    assert measured.http.get("/metrics", headers=bearer()).status_code == 200
    answer = measured.http.get("/metrics", headers=headers)
    assert (answer.status_code, answer.text) == (401, "")
    assert answer.headers["www-authenticate"] == 'Bearer realm="metrics"'


def test_requests_are_counted_by_endpoint_grant_and_outcome(measured: OAuth, person: Person):
    before = figures(measured.http)
    first = measured.sign_in(person).json()["refresh_token"]
    second = measured.refresh(first).json()["refresh_token"]
    measured.own_token()
    measured.token(grant_type="password", username=person.username, password="wrong")
    measured.token(grant_type="invented")
    measured.revoke(second)
    measured.refresh(second)
    after = figures(measured.http)
    counted = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}
    requests = "authserver_requests_total"
    expected = {
        (requests, "token", "password", "ok"): 1,
        (requests, "token", "password", "invalid_grant"): 1,
        (requests, "token", "refresh_token", "ok"): 1,
        (requests, "token", "refresh_token", "invalid_grant"): 1,
        (requests, "token", "client_credentials", "ok"): 1,
        (requests, "token", "none", "unsupported_grant_type"): 1,
        (requests, "revoke", "none", "ok"): 1,
        ("authserver_rotations_total", "rotated"): 1,
        ("authserver_refusals_total", "wrong_password"): 1,
        ("authserver_refusals_total", "unknown_grant"): 1,
        ("authserver_refusals_total", "session_revoked"): 1,
    }
    assert {key: value for key, value in counted.items() if key in expected} == expected
    assert ("authserver_hashing_queue",) in after
    assert ("authserver_hashing_refused_total",) in after


def test_rotations_are_counted_by_what_became_of_them(setup: Setup, measured: OAuth, person: Person):
    careful = measured.as_app(setup.an_app(late_retries=1))
    before = figures(measured.http)
    first = careful.sign_in(person).json()["refresh_token"]
    second = careful.refresh(first).json()["refresh_token"]
    careful.refresh(first)
    careful.refresh(second)
    third = measured.sign_in(person).json()["refresh_token"]
    measured.refresh(measured.refresh(third).json()["refresh_token"])
    measured.refresh(third)
    after = figures(measured.http)
    name = "authserver_rotations_total"
    for outcome, count in {"rotated": 3, "kept": 1, "retried": 1, "reused": 1}.items():
        assert after[name, outcome] - before.get((name, outcome), 0) == count, outcome


def test_no_label_is_taken_from_what_a_request_says(measured: OAuth):
    """Otherwise any client could fill the memory with one series for each invented word."""
    series = len(figures(measured.http))
    for number in range(20):
        measured.token(grant_type=f"invented-{number}", scope=f"s-{number}", client_id=f"c-{number}")
        measured.http.get(f"/nothing-{number}")
        measured.http.post("/token", data={"grant_type": f"g-{number}", "client_id": f"c-{number}"})
    assert len(figures(measured.http)) <= series + 8


def test_the_figures_of_all_workers_are_summed(setup: Setup):
    app = setup.an_app()
    server = ForkedServer(setup, workers=2, AUTHSERVER_METRICS__TOKEN=METRICS_TOKEN).start()
    try:
        for _ in range(40):  # each over a connection of its own: the workers share the socket
            with server.http() as http:
                assert OAuth(http, app).own_token().status_code == 200
        seen = set()
        for _ in range(8):
            with server.http() as http:
                seen.add(figures(http)["authserver_requests_total", "token", "client_credentials", "ok"])
        assert seen == {40.0}, "every worker gives the same figures"
        request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer \xff\xfe\r\n\r\n"
        assert server.raw(request)[0] == 401, "bytes that are no text are a wrong token too"
    finally:
        server.stop()
