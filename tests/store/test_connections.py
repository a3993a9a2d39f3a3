"""The connections to PostgreSQL: what the URL says counts."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import text

from authserver.database import schema
from authserver.database.engine import Database, open_database
from authserver.settings.model import Settings
from authserver.settings.values import DatabaseSettings
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
    assert shown(database, "search_path", "work_mem", "lock_timeout") == ["auth", "9MB", "7s"]
    schema.upgrade(database)
    schema.check(database)
    with database.autocommit() as connection:
        tables = text("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename IN ('users', 'alembic_version')")
        assert connection.execute(tables).scalars().all() == ["auth"]


def test_what_the_url_says_counts_where_we_have_a_value_of_our_own(url: str, connected: Connect):
    assert shown(connected(url), "application_name", "lock_timeout") == ["authserver", "7s"]
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
