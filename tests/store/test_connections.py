"""The connections to PostgreSQL: what the URL says counts, and one that died while it was idle reaches no request."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import text

from authserver.database import schema
from authserver.database.connections import _LAST_USE, _QUIET_SECONDS
from authserver.database.engine import Database, open_database
from authserver.database.failures import Unavailable
from authserver.settings.model import Settings
from authserver.settings.values import DatabaseSettings
from tests.support.forwarder import Forwarder
from tests.support.hasher import until
from tests.support.postgres import Postgres, postgres_or_skip

pytestmark = pytest.mark.postgresql

Connect = Callable[..., Database]


@pytest.fixture
def server() -> Postgres:
    return postgres_or_skip()


@pytest.fixture
def url(server: Postgres) -> Iterator[str]:
    """The address of an empty database."""
    made = server.create_database()
    yield made
    server.drop_database(made)


@pytest.fixture
def connected() -> Iterator[Connect]:
    opened: list[Database] = []

    def connect(url: str, **query: str) -> Database:
        parameters = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        settings = Settings(database=DatabaseSettings(url=SecretStr(f"{url}?{parameters}"), timeout=7, pool_size=4))
        opened.append(open_database(Flask("connected"), settings))
        return opened[-1]

    yield connect
    for database in opened:
        database.dispose()


def shown(database: Database, *names: str) -> list[str]:
    """What the server says about these settings."""
    with database.autocommit() as connection:
        return [
            connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar_one() for name in names
        ]


# --- The URL ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["in the URL", "in PGOPTIONS"])
def test_options_of_the_operator_are_added_to_ours(
    url: str, connected: Connect, monkeypatch: pytest.MonkeyPatch, given: str
):
    """Once they were dropped without a word, and the tables landed in another schema."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA auth")
    options = "-csearch_path=auth -c work_mem=9MB"
    if given == "in PGOPTIONS":
        monkeypatch.setenv("PGOPTIONS", options)
    database = connected(url) if given == "in PGOPTIONS" else connected(url, options=options)
    assert shown(database, "search_path", "work_mem", "lock_timeout") == ["auth", "9MB", "4900ms"]
    schema.upgrade(database)
    schema.check(database)
    with database.autocommit() as connection:
        tables = text("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename IN ('users', 'alembic_version')")
        assert connection.execute(tables).scalars().all() == ["auth"]


def test_what_the_url_says_counts_where_we_have_a_value_of_our_own(url: str, connected: Connect):
    assert shown(connected(url), "application_name", "lock_timeout") == ["authserver", "4900ms"]
    theirs = connected(
        url, application_name="shop", options="-c lock_timeout=3s", connect_timeout="9", tcp_user_timeout="4000"
    )
    assert shown(theirs, "application_name", "lock_timeout") == ["shop", "3s"]
    with theirs.autocommit() as connection:
        driver: Any = connection.connection.driver_connection
        used = driver.info.get_parameters()
    assert used["tcp_user_timeout"] == "4000"
    assert used["keepalives_idle"] == "5"


@pytest.mark.parametrize("encoding", ["latin1", "sql_ascii", "utf8"])
def test_text_is_read_and_written_as_unicode_whatever_encoding_the_url_names(
    url: str, connected: Connect, encoding: str
):
    with connected(url, client_encoding=encoding).autocommit() as connection:
        assert connection.execute(text("SELECT 'é' || :more"), {"more": "日本"}).scalar_one() == "é日本"


# --- Connections that died while they were idle -----------------------------------------------------------------------


def on_each_connection(database: Database) -> list[dict[Any, Any]]:
    """Open all connections of the pool and give them back. Returns what the pool keeps about each."""
    held = [database.engine.connect() for _ in range(4)]
    kept = [connection.info for connection in held]
    for connection in held:
        connection.execute(text("SELECT 1"))
    for connection in held:
        connection.close()
    return kept


def test_the_first_request_after_a_quiet_time_gets_a_connection_that_lives(url: str, connected: Connect):
    """Once it was a 503 if the server had closed the idle connections (`idle_session_timeout`)."""
    database = connected(url, options="-c idle_session_timeout=1000")
    on_each_connection(database)
    with psycopg.connect(url, autocommit=True) as watcher:
        ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'authserver'"
        until(lambda: watcher.execute(ours).fetchone() == (0,))
    assert database.now()
    with database.transaction() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_connections_that_a_server_ends_are_replaced_together(url: str, connected: Connect):
    database = connected(url)
    on_each_connection(database)
    with psycopg.connect(url) as other:
        theirs = "datname = current_database() AND application_name = 'authserver'"
        ended = other.execute(f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE {theirs}")
        assert ended.fetchall() == [(True,)] * 4
    on_each_connection(database)


def test_a_connection_that_was_lost_in_silence_is_tried_after_a_quiet_time(url: str, connected: Connect):
    """NAT and proxies forget idle connections without a word: the client learns it when it sends."""
    place = psycopg.conninfo.conninfo_to_dict(url)
    with Forwarder(int(place["port"])) as nat:
        database = connected(url.replace(f":{place['port']}/", f":{nat.port}/"))
        on_each_connection(database)
        nat.forget()
        with pytest.raises(Unavailable):  # used a moment ago, so it is not tried: that would cost each request
            database.now()
        kept = on_each_connection(database)
        nat.forget()
        for info in kept:
            info[_LAST_USE] -= _QUIET_SECONDS
        assert database.now()
        on_each_connection(database)


def test_a_connection_that_was_just_used_is_handed_out_without_a_round_trip(url: str, connected: Connect):
    database = connected(url)
    with database.autocommit() as connection:
        kept, pid = connection.info, connection.execute(text("SELECT pg_backend_pid()")).scalar_one()

    def last_statement_after_a_checkout() -> Any:
        with database.autocommit(), psycopg.connect(url) as watcher:
            return watcher.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()

    assert last_statement_after_a_checkout() == ("SELECT pg_backend_pid()",)
    kept[_LAST_USE] -= _QUIET_SECONDS
    assert last_statement_after_a_checkout() == ("SELECT 1",)


def test_a_database_that_stays_away_is_unavailable_after_a_quiet_time_too(server: Postgres, connected: Connect):
    url = server.create_database()
    database = connected(url)
    on_each_connection(database)
    server.drop_database(url)
    with pytest.raises(Unavailable, match="does not exist"):
        database.now()
