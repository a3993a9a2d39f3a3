"""Why a database fails is told to operators: by commands, in the log, by references, and never with a password."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import event, exc, text

from authserver.cli.failures import problems_of
from authserver.database import schema
from authserver.database.engine import Database, open_database
from authserver.database.failures import Failure, Unavailable, failure_of
from authserver.database.status_indices import prove_writable
from authserver.refusals.reasons import Reason
from authserver.settings.model import Settings
from authserver.settings.values import DatabaseSettings
from tests.support.databases import on_postgresql
from tests.support.hasher import until
from tests.support.health import a_node, problem
from tests.support.oauth import OAuth, refused_as
from tests.support.postgres import Cluster, postgres_or_skip
from tests.support.server import ForkedServer
from tests.support.setup import SOON, Setup
from tests.support.token_answer import reason


@contextmanager
def opened(url: str) -> Iterator[Database]:
    settings = Settings(database=DatabaseSettings(url=SecretStr(url), timeout=SOON, pool_size=1))
    database = open_database(Flask("causes"), settings)
    try:
        yield database
    finally:
        database.dispose()


def failure(database: Database, act: Callable[[Database], Any] = Database.now) -> Failure:
    """Why an act fails. It is what commands print."""
    with pytest.raises(exc.SQLAlchemyError) as raised:
        act(database)
    found = failure_of(raised.value)
    assert found is not None
    assert problems_of(raised.value) == [f"the database cannot be used: {found.line}"]
    assert "password-of-a-test" not in found.line
    return found


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


class Lowly:
    """A role that owns nothing, and its database."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.name = urlsplit(cluster.create_database()).path.lstrip("/")
        self.role = f"role_{self.name}"
        self.host = f"127.0.0.1:{cluster.port}"
        self.sql(f"CREATE ROLE {self.role} LOGIN PASSWORD 'password-of-a-test'")

    @property
    def url(self) -> str:
        return f"postgresql://{self.role}:password-of-a-test@{self.host}/{self.name}"

    def sql(self, statement: str) -> None:
        with psycopg.connect(self.cluster.admin_url, autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture
def lowly() -> Iterator[Lowly]:
    cluster = postgres_or_skip()
    if not isinstance(cluster, Cluster):
        pytest.skip("the roles of a server named by TESTS_POSTGRES are not ours to change")
    made = Lowly(cluster)
    yield made
    cluster.drop_database(made.url)
    made.sql(f"DROP ROLE {made.role}")


CAUSES: dict[str, tuple[str, str, str, Reason, str]] = {
    # What an administrator does, what is replaced in the URL and by what, the reason, and its SQLSTATE.
    "wrong password": ("", ":password-of-a-test@", ":password-of-a-tester@", Reason.DATABASE_LOGIN_REFUSED, "28P01"),
    "no login": ("ALTER ROLE {role} NOLOGIN", "", "", Reason.DATABASE_LOGIN_REFUSED, "28000"),
    "no such database": ("", "/authserver_", "/nothing_", Reason.DATABASE_MISSING, "3D000"),
    "no right to connect": ("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC", "", "", Reason.DATABASE_RIGHTS, "42501"),
    "role has no connection left": (
        "ALTER ROLE {role} CONNECTION LIMIT 0",
        "",
        "",
        Reason.DATABASE_CONNECTIONS,
        "53300",
    ),
    "database has none left": (
        "ALTER DATABASE {name} CONNECTION LIMIT 0",
        "",
        "",
        Reason.DATABASE_CONNECTIONS,
        "53300",
    ),
    "read-only role": (
        "ALTER ROLE {role} SET default_transaction_read_only = on",
        "",
        "",
        Reason.DATABASE_READ_ONLY,
        "25006",
    ),
    "nothing listens": ("", "127.0.0.1:{port}", "127.0.0.1:1", Reason.DATABASE_UNREACHABLE, ""),
    "unknown host": ("", "127.0.0.1", "nowhere.invalid", Reason.DATABASE_HOST_UNKNOWN, ""),
    "no TLS": ("", "?", "?sslmode=require", Reason.DATABASE_TLS, ""),
    "unknown sslmode": ("", "?", "?sslmode=wrong", Reason.DATABASE_URL, ""),
    "parameter of another pooler": ("", "?", "?pgbouncer=true", Reason.DATABASE_URL, ""),
    "parameter of another library": ("", "?", "?schema=public", Reason.DATABASE_URL, ""),
    "unknown option": ("", "?", "?options=-cnothing%3D1", Reason.DATABASE_URL, ""),
    "no number": ("", "?", "?connect_timeout=soon", Reason.DATABASE_URL, ""),
}


@pytest.mark.postgresql
@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_has_its_name_its_code_and_its_advice(lowly: Lowly, cause: str):
    before, old, new, expected, code = CAUSES[cause]
    if before:
        lowly.sql(before.format(role=lowly.role, name=lowly.name))
    url = (lowly.url + "?").replace(old.format(port=lowly.cluster.port), new) if old else lowly.url
    with opened(url) as database:
        found = failure(database)
    assert (found.reason, found.code) == (expected, code)


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("host {name} {role} 127.0.0.1/32 reject", "pg_hba.conf"),
        ("hostssl {name} {role} 127.0.0.1/32 trust", "sslmode=require"),
    ],
    ids=["rejected", "only with TLS"],
)
def test_a_host_that_pg_hba_refuses_is_told_so(lowly: Lowly, line: str, advice: str):
    file = lowly.cluster.directory / "data" / "pg_hba.conf"
    before = file.read_text()
    local = [kept for kept in before.splitlines() if kept.startswith("local")]
    file.write_text("\n".join([line.format(name=lowly.name, role=lowly.role), *local, ""]))
    lowly.sql("SELECT pg_reload_conf()")
    try:
        with opened(lowly.url) as database:
            until(lambda: failure(database).reason is not Reason.DATABASE_UNREACHABLE)
            found = failure(database)
    finally:
        file.write_text(before)
        lowly.sql("SELECT pg_reload_conf()")
    assert (found.reason, found.code) == (Reason.DATABASE_HOST_REFUSED, "28000")
    assert advice in found.line


@pytest.mark.postgresql
def test_an_upgrade_without_rights_does_not_advise_an_upgrade(lowly: Lowly):
    with opened(lowly.url) as database:
        found = failure(database, schema.upgrade)
    assert (found.reason, found.code) == (Reason.DATABASE_RIGHTS, "42501")
    assert "db upgrade" not in found.line
    with opened(f"{lowly.url}?options=-csearch_path%3Dnowhere") as database:
        found = failure(database, schema.upgrade)
    assert (found.reason, found.code) == (Reason.DATABASE_SCHEMA, "3F000")
    assert "search_path" in found.line


@on_postgresql
def test_waiting_for_a_lock_or_a_connection_is_told_apart_from_an_absent_database(setup: Setup):
    assert setup.settings.database.url is not None
    with opened(setup.settings.database.url.get_secret_value()) as database:
        with setup.database.transaction() as holder:
            holder.execute(text("UPDATE status_counter SET next_index = next_index"))
            assert failure(database, prove_writable).code == "55P03"
        with database.autocommit():
            assert failure(database).reason is Reason.DATABASE_BUSY


def test_each_of_several_hosts_is_told_with_its_own_failure():
    with opened("postgresql://nobody:password-of-a-test@127.0.0.1:1,127.0.0.1:2/nothing") as database:
        found = failure(database)
    assert found.reason is Reason.DATABASE_UNREACHABLE
    assert ["port: '1'" in one or "port: '2'" in one for one in found.said.split("; ")] == [True, True]


# --- SQLite -----------------------------------------------------------------------------------------------------------


def fill(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE much (data BLOB)"))
        connection.execute(text("INSERT INTO much VALUES (zeroblob(1000000))"))


def test_a_full_disk_under_sqlite_is_named(setup: Setup):
    assert setup.settings.database.url is not None
    with opened(setup.settings.database.url.get_secret_value()) as database:
        # The size that SQLite may not exceed stands for a disk: both give SQLITE_FULL.
        event.listen(database.engine, "connect", lambda made, _: made.execute("PRAGMA max_page_count = 1"))
        found = failure(database, fill)
    assert (found.reason, found.code) == (Reason.DATABASE_FULL, "SQLITE_FULL")


def test_a_locked_missing_or_foreign_file_is_named(setup: Setup, tmp_path: Path):
    assert setup.settings.database.url is not None
    with opened(setup.settings.database.url.get_secret_value()) as database, setup.database.transaction():
        assert failure(database, prove_writable).code == "SQLITE_BUSY"
    with opened(f"sqlite:///{tmp_path}/nowhere/a.db") as database:
        assert failure(database).code == "SQLITE_CANTOPEN"
    (tmp_path / "text").write_text("no database " * 100)
    with opened(f"sqlite:///{tmp_path}/text") as database:
        found = failure(database)
    assert (found.reason, found.code) == (Reason.DATABASE_FILE, "SQLITE_NOTADB")


# --- A live server ----------------------------------------------------------------------------------------------------


@on_postgresql
def test_a_flood_of_refusals_leaves_one_warning_and_each_reference_tells_the_cause(setup: Setup):
    assert setup.postgres is not None
    name = setup.settings.database_url.database
    with ExitStack() as stack:
        server = ForkedServer(setup, workers=1).start()
        stack.callback(server.stop)
        app = OAuth(stack.enter_context(server.http()), setup.an_app())
        token = app.sign_in(setup.a_person()).json()["refresh_token"]
        with psycopg.connect(setup.postgres.admin_url, autocommit=True) as administrator:
            administrator.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
            administrator.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s AND pid <> %s",
                [name, administrator.info.backend_pid],
            )
            answers = [app.refresh(token) for _ in range(30)]
            for answer in answers:
                assert refused_as(answer, "temporarily_unavailable", 503)
                assert reason(setup, answer) is Reason.DATABASE_CONNECTIONS
            explained = server.run("why", answers[-1].json()["reference"])
            assert "The database has no connection left. (database_connections)" in explained.stdout
            assert "53300" in explained.stderr
            assert not server.is_ready()
            administrator.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
        until(lambda: app.refresh(token).status_code == 200)
        log = server.log.read_text()
    (warning,) = [json.loads(line) for line in log.splitlines() if '"database_failed"' in line]
    assert (warning["level"], warning["reason"], warning["code"]) == ("warning", "database_connections", "53300")
    assert f'too many connections for database "{name}"' in warning["said"]
    password = urlsplit(str(setup.settings.database.url.get_secret_value())).password  # type: ignore[union-attr]
    assert str(password) not in log


@on_postgresql
def test_a_refused_write_makes_a_node_unready_at_once(setup: Setup):
    """Once readiness repeated its last result for a second after a request had met a read-only server."""
    assert setup.settings.database.url is not None
    with opened(setup.settings.database.url.get_secret_value()) as database:
        setup.key_rotation().ensure()
        setup.database.dispose()
        setup.database = database
        node = a_node(setup)
        assert node.get("/readyz").status_code == 200
        with database.autocommit() as connection:
            connection.execute(text("SET default_transaction_read_only = on"))
        name = setup.settings.database_url.database
        assert setup.postgres is not None
        with psycopg.connect(setup.postgres.admin_url, autocommit=True) as administrator:
            administrator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        with pytest.raises(Unavailable, match="read-only"):
            prove_writable(database)
        assert problem(node) == "the database takes no writes"
