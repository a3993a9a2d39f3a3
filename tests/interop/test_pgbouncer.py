"""Nodes behind PgBouncer with the sample files of config/pgbouncer, through a failover too."""

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import exc

from authserver.app import create_app
from authserver.database import schema
from authserver.database.connections import LIMITS, lost_limits
from authserver.database.engine import open_database
from authserver.database.failures import Unavailable, failure_of
from authserver.refusals.reasons import Reason
from tests.support.healthy import findings, make_healthy
from tests.support.memory import in_memory
from tests.support.missing_parts import missing
from tests.support.oauth import OAuth
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import HOW, ROLE, Cluster
from tests.support.postgres_programs import Unavailable as NoPostgres
from tests.support.postgres_programs import newest
from tests.support.retrying_clients import RetryingClients
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import STALE, Setup, make_setup
from tests.support.wsgi_server import wait_for

pytestmark = pytest.mark.postgresql

MODES = ["transaction", "session"]


@pytest.fixture(scope="module")
def primary() -> Iterator[Cluster]:
    """A cluster whose role has the time-outs, as docs/operating.md asks for."""
    try:
        cluster = Cluster(newest(), place=in_memory())
    except NoPostgres as reason:
        missing("postgresql", f"{reason}; {HOW}")
    limit(cluster)
    yield cluster
    cluster.remove()


def limit(cluster: Cluster, to: str = "'30s'") -> None:
    with psycopg.connect(cluster.admin_url, autocommit=True) as connection:
        for name in LIMITS:
            connection.execute(f"ALTER ROLE {ROLE} SET {name} = {to}")


@pytest.fixture
def setup(primary: Cluster, tmp_path: Path) -> Iterator[Setup]:
    made = make_setup("postgresql", tmp_path, postgres=primary)
    made.an_api()
    yield made
    made.close()


def url_of(setup: Setup) -> str:
    assert setup.settings.database.url is not None
    return setup.settings.database.url.get_secret_value().replace("+psycopg", "")


@contextmanager
def behind(bouncer: PgBouncer, setup: Setup, *, prepared_statements: bool) -> Iterator[Setup]:
    """The setup of a node that reaches its database through PgBouncer, with one connection."""
    changed = {"url": SecretStr(bouncer.url), "prepared_statements": prepared_statements, "pool_size": 1}
    settings = setup.with_settings(database=setup.settings.database.model_copy(update=changed))
    made = replace(setup, settings=settings, database=open_database(Flask("behind"), settings))
    try:
        yield made
    finally:
        made.database.dispose()


def a_server(bouncer: PgBouncer, setup: Setup, mode: str, **environment: str) -> LiveServer:
    prepared = {"AUTHSERVER_DATABASE__PREPARED_STATEMENTS": "false"} if mode == "transaction" else {}
    return ForkedServer(setup, AUTHSERVER_DATABASE__URL=bouncer.url, **prepared, **environment)


@pytest.mark.parametrize("mode", MODES)
def test_a_node_serves_through_it_without_a_failure(setup: Setup, mode: str, tmp_path: Path):
    with ExitStack() as stack:
        bouncer = stack.enter_context(PgBouncer(mode, url_of(setup)))
        server = a_server(bouncer, setup, mode).start()
        stack.callback(server.stop)
        clients = RetryingClients(server, setup.a_person(), 5)
        clients.work(10, meanwhile=lambda: None, every=100)
        assert (clients.refreshes, clients.put_off, clients.lost) == (50, 0, 0)
        (tmp_path / "users.csv").write_text("username\n" + "".join(f"user-{number}\n" for number in range(300)))
        for command in (
            ["users", "import", str(tmp_path / "users.csv")],
            ["prune"],
            ["doctor", "--severity", "error"],
        ):
            done = server.run(*command)
            assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert server.stop() == 0
        assert "database_" not in server.log.read_text()


@pytest.mark.parametrize("mode", MODES)
def test_an_empty_database_is_upgraded_through_it(primary: Cluster, setup: Setup, mode: str):
    url = primary.create_database()
    with PgBouncer(mode, url) as bouncer, behind(bouncer, setup, prepared_statements=mode == "session") as made:
        schema.upgrade(made.database)
        schema.check(made.database)
    primary.drop_database(url)


@pytest.mark.parametrize("mode", MODES)
def test_a_refresh_is_one_statement_through_it(setup: Setup, mode: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    with (
        PgBouncer(mode, url_of(setup)) as bouncer,
        behind(bouncer, setup, prepared_statements=mode == "session") as made,
    ):
        app = create_app(made.with_settings(caches=STALE))
        with httpx.Client(transport=httpx.WSGITransport(app), base_url=setup.settings.issuer) as http:
            oauth = OAuth(http, setup.an_app(retry_window=0))
            token = oauth.sign_in(setup.a_person()).json()["refresh_token"]
            for _ in range(10):  # the sixth prepares the statement, where that is allowed
                token = oauth.refresh(token).json()["refresh_token"]
            before = bouncer.counts()
            for _ in range(20):
                token = oauth.refresh(token).json()["refresh_token"]
            after = bouncer.counts()
        app.extensions["authserver"].database.dispose()
    assert {name: after[name] - before[name] for name in after} == {"query_count": 20, "xact_count": 20}


@pytest.mark.parametrize("prepared_statements", [True, False], ids=["with", "without"])
def test_prepared_statements_are_lost_with_transaction_pooling_unless_they_are_off(
    setup: Setup, *, prepared_statements: bool
):
    with (
        PgBouncer("transaction", url_of(setup)) as bouncer,
        behind(bouncer, setup, prepared_statements=prepared_statements) as made,
    ):
        for _ in range(10):
            made.database.now()
        with psycopg.connect(bouncer.url, prepare_threshold=None) as other:
            other.execute("SELECT 1")  # takes the only connection to PostgreSQL, so the next statement gets another
            if not prepared_statements:
                assert made.database.now()
                return
            with pytest.raises(exc.SQLAlchemyError) as raised:
                made.database.now()
    assert isinstance(raised.value, Unavailable), "it would be a 500"
    found = failure_of(raised.value)
    assert found is not None
    assert (found.reason, found.code) == (Reason.DATABASE_POOLER, "26000")


def test_time_outs_that_it_leaves_out_are_found_and_mended(primary: Cluster, setup: Setup):
    with without_limits(primary), PgBouncer("transaction", url_of(setup)) as bouncer:
        with behind(bouncer, setup, prepared_statements=False) as made, made.database.autocommit() as connection:
            assert lost_limits(connection) == list(LIMITS)
        assert "database_limits_missing" in a_server(bouncer, setup, "transaction").run("users", "list").stderr
        with behind(bouncer, setup, prepared_statements=False) as made:
            (found,) = findings(make_healthy(made))
        assert found.check == "node.database-limits"
        place = {"PGHOST": str(primary.directory), "PGPORT": str(primary.port), "PGUSER": "postgres"}
        program, *arguments = shlex.split(str(found.command))
        subprocess.run([primary.program(program), *arguments], env={**place, "PGDATABASE": "postgres"}, check=True)
    with PgBouncer("transaction", url_of(setup)) as bouncer, behind(bouncer, setup, prepared_statements=False) as made:
        assert "node.database-limits" not in {one.check for one in findings(made)}


@contextmanager
def without_limits(cluster: Cluster) -> Iterator[None]:
    """The role without its time-outs."""
    limit(cluster, "DEFAULT")
    try:
        yield
    finally:
        limit(cluster)


def test_nodes_behind_it_recover_by_themselves_when_the_server_is_exchanged(primary: Cluster, setup: Setup):
    """It keeps its connections to a server that takes no writes yet, and they become good."""
    with ExitStack() as stack:
        standby = Cluster(primary.binaries, primary=primary, place=in_memory())
        stack.callback(standby.remove)
        apps, tokens, bouncers = [], [], []
        for mode in MODES:
            bouncers.append(stack.enter_context(PgBouncer(mode, url_of(setup))))
            server = a_server(bouncers[-1], setup, mode, AUTHSERVER_SERVER__WORKERS="1").start()
            stack.callback(server.stop)
            apps.append(OAuth(stack.enter_context(server.http()), setup.an_app()))
            tokens.append(apps[-1].sign_in(setup.a_person()).json()["refresh_token"])
            assert apps[-1].refresh(tokens[-1]).status_code == 200
        with (
            psycopg.connect(primary.admin_url) as leader,
            psycopg.connect(standby.admin_url, autocommit=True) as follower,
        ):
            written = leader.execute("SELECT pg_current_wal_lsn()").fetchone()
            wait_for(lambda: follower.execute("SELECT pg_last_wal_replay_lsn() >= %s", written).fetchone() == (True,))
        primary.stop("immediate")
        stack.callback(primary.start)
        for bouncer in bouncers:
            bouncer.lead_to(standby)
        for app, token in zip(apps, tokens, strict=True):
            wait_for(lambda: "takes no writes" in app.http.get("/readyz").text)  # noqa: B023
            assert app.refresh(token).status_code == 503
        standby.promote()
        for app, token in zip(apps, tokens, strict=True):
            wait_for(lambda: app.refresh(token).status_code == 200)  # noqa: B023
