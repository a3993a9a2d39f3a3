"""The database's address leads to a hot standby for a while, as in a failover: refreshes wait, and every session goes on."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from pydantic import SecretStr

from authserver.database.engine import Database, open_database
from authserver.database.failures import Unavailable
from authserver.database.status_indices import prove_writable
from authserver.settings.model import Settings
from authserver.settings.values import DatabaseSettings
from tests.support.forwarder import Forwarder
from tests.support.oauth import OAuth, refused_as
from tests.support.postgres import Cluster, postgres_or_skip
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import Setup, make_setup
from tests.support.wsgi_server import wait_for

pytestmark = pytest.mark.postgresql

ANY_SERVER = "?target_session_attrs=any"


@pytest.fixture(scope="module")
def primary() -> Cluster:
    cluster = postgres_or_skip()
    if not isinstance(cluster, Cluster):
        pytest.skip("a server named by TESTS_POSTGRES is not ours to copy")
    return cluster


@pytest.fixture(scope="module")
def standby(primary: Cluster) -> Iterator[Cluster]:
    made = Cluster(primary.binaries, primary=primary)
    yield made
    made.remove()


@pytest.fixture
def setup(primary: Cluster, standby: Cluster, tmp_path: Path) -> Iterator[Setup]:
    """A database that the standby replicates."""
    made = make_setup("postgresql", tmp_path, postgres=primary)
    made.an_api()
    with psycopg.connect(primary.admin_url) as leader, psycopg.connect(standby.admin_url, autocommit=True) as follower:
        written = leader.execute("SELECT pg_current_wal_lsn()").fetchone()
        wait_for(lambda: follower.execute("SELECT pg_last_wal_replay_lsn() >= %s", written).fetchone() == (True,))
    yield made
    made.close()


@pytest.fixture
def address(primary: Cluster, setup: Setup) -> Callable[[str], str]:
    """The URL of the setup's database at another host and port."""
    assert setup.settings.database.url is not None
    url = setup.settings.database.url.get_secret_value()
    return lambda place: url.replace(f"127.0.0.1:{primary.port}", place)


@pytest.fixture
def connected() -> Iterator[Callable[[str], Database]]:
    opened: list[Database] = []

    def connect(url: str) -> Database:
        settings = Settings(database=DatabaseSettings(url=SecretStr(url)))
        opened.append(open_database(Flask("another"), settings))
        return opened[-1]

    yield connect
    for database in opened:
        database.dispose()


@pytest.fixture
def name(primary: Cluster) -> Iterator[Forwarder]:
    with Forwarder(primary.port) as leading:
        yield leading


@pytest.fixture(params=["", ANY_SERVER], ids=["a writable server", "any server"])
def server(
    request: pytest.FixtureRequest, name: Forwarder, setup: Setup, address: Callable[[str], str]
) -> Iterator[LiveServer]:
    """A live server whose database has this address."""
    url = address(f"127.0.0.1:{name.port}") + request.param
    # One connection, because a second one, opened later, would hide that the first still leads to the standby.
    only_one = {"AUTHSERVER_DATABASE__URL": url, "AUTHSERVER_DATABASE__POOL_SIZE": "1"}
    made = ForkedServer(setup, workers=1, **only_one).start()
    yield made
    made.stop()


def test_a_node_whose_address_led_to_a_standby_recovers_by_itself(
    server: LiveServer, name: Forwarder, primary: Cluster, standby: Cluster
):
    """Once it kept its connections to the standby, refused every refresh for good, and said that it was ready."""
    with server.http() as http:
        app, person = OAuth(http, server.setup.an_app()), server.setup.a_person()
        answer = app.refresh(app.sign_in(person).json()["refresh_token"])
        assert answer.status_code == 200
        token = answer.json()["refresh_token"]

        name.lead_to(standby.port)
        name.cut()
        wait_for(lambda: not server.is_ready())
        for _ in range(20):
            answer = app.refresh(token)
            assert refused_as(answer, "temporarily_unavailable", 503)
            assert answer.headers["retry-after"] == "1"
            assert not server.is_ready()
        # A standby has no counts of failures: their table is unlogged.
        assert refused_as(app.sign_in(person), "temporarily_unavailable", 503)
        assert '"detail": "ReadOnlySqlTransaction"' in server.log.read_text()

        app.own_token()  # only reads, so its connection to the standby may stay open
        name.lead_to(primary.port)
        wait_for(lambda: all(app.refresh(token).status_code == 200 for _ in range(10)))
        wait_for(server.is_ready)
        assert app.sign_in(person).status_code == 200


def test_a_standby_is_refused_unless_the_url_takes_any_server(
    standby: Cluster, address: Callable[[str], str], connected: Callable[[str], Database]
):
    url = address(f"127.0.0.1:{standby.port}")
    with pytest.raises(Unavailable, match="the server is read-only"):
        connected(url).now()
    careless = connected(url + ANY_SERVER)
    assert careless.now()
    with pytest.raises(Unavailable, match="read-only transaction"):
        prove_writable(careless)


FORMS = {
    "commas": "postgresql://{user}@127.0.0.1:{standby},127.0.0.1:{primary}/{name}",
    "libpq's": "postgresql://{user}@/{name}?host=127.0.0.1,127.0.0.1&port={standby},{primary}",
    "SQLAlchemy's": "postgresql://{user}@/{name}?host=127.0.0.1:{standby}&host=127.0.0.1:{primary}",
    "a file of passwords": "postgresql://authserver@127.0.0.1:{standby},127.0.0.1:{primary}/{name}?passfile={file}",
}


@pytest.mark.parametrize("form", FORMS)
def test_of_several_hosts_the_one_that_takes_writes_is_used(
    primary: Cluster, standby: Cluster, setup: Setup, connected: Callable[[str], Database], form: str
):
    url = setup.settings.database_url
    file = setup.directory / "passwords"
    file.touch(0o600)
    file.write_text("".join(f"127.0.0.1:{port}:*:*:{url.password}\n" for port in (primary.port, standby.port)))
    places = {"user": f"authserver:{url.password}", "name": url.database, "file": file}
    prove_writable(connected(FORMS[form].format(primary=primary.port, standby=standby.port, **places)))


def test_a_host_that_does_not_answer_costs_one_time_out_and_not_one_for_each_connection(
    primary: Cluster, address: Callable[[str], str], connected: Callable[[str], Database]
):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        first = f"127.0.0.1:{silent.getsockname()[1]}"
        database = connected(address(f"{first},127.0.0.1:{primary.port}"))
        for _ in range(5):
            database.now()
            database.dispose()  # the next connection is a new one
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
