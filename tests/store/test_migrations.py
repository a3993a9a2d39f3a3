"""An upgrade from any revision keeps every row and ends with the schema of the models, on both databases."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import Connection, inspect, text

from authserver.app import create_app
from authserver.database import origin, schema
from authserver.database.engine import Database, open_database
from authserver.database.tables import db
from authserver.settings.model import Settings
from authserver.settings.values import DatabaseSettings, PasswordSettings
from tests.support import old_rows
from tests.support.at_once import processes_at_once
from tests.support.next_version import make_next_version, run
from tests.support.oauth import App, OAuth, Person
from tests.support.postgres import postgres_or_skip
from tests.support.server import ROOT

SCRIPTS = ScriptDirectory.from_config(schema._config())
REVISIONS = [script.revision for script in SCRIPTS.walk_revisions()][::-1]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings for an empty database of each kind."""
    server = postgres_or_skip() if request.param == "postgresql" else None
    url = f"sqlite:///{tmp_path}/empty.db" if server is None else server.create_database()
    yield Settings(
        data_dir=tmp_path / "data",
        key_dir=tmp_path / "keys",
        master_key=SecretStr(old_rows.MASTER_KEY),
        database=DatabaseSettings(url=SecretStr(url)),
        passwords=PasswordSettings(argon2_memory_kib=8, argon2_time_cost=1),
    )
    if server is not None:
        server.drop_database(url)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    made = open_database(Flask("upgrades"), settings)
    yield made
    made.dispose()


def rows(connection: Connection, table: str, columns: list[str]) -> list[dict[str, Any]]:
    """The rows of a table, with ids as the seeds write them."""
    found = connection.execute(text(f"SELECT {', '.join(columns)} FROM {table}")).mappings()
    return [{name: _plain(value) for name, value in row.items()} for row in found]


def _plain(value: Any) -> Any:
    return value.hex if hasattr(value, "int") and hasattr(value, "hex") else value


def test_every_revision_has_rows_to_upgrade_with():
    assert list(old_rows.ROWS) == REVISIONS, "add the rows of the new revision to tests/support/old_rows.py"


@pytest.mark.parametrize("keys", [[], old_rows.ROWS["0005"]["keys"]], ids=["unused", "used"])
def test_only_a_database_that_the_version_before_has_not_used_says_that_it_is_new(database: Database, keys: Any):
    schema.upgrade(database, "0005")
    with database.transaction() as connection:
        old_rows.put(connection, {"keys": keys})
    schema.upgrade(database)
    with database.autocommit() as connection:
        assert origin.is_since(connection, "0006") is (not keys)
        assert not origin.is_since(connection, "0007")


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_upgrade_from_any_revision_keeps_every_row(database: Database, revision: str):
    seeds = old_rows.ROWS[revision]
    schema.upgrade(database, revision)
    with database.transaction() as connection:
        old_rows.put(connection, seeds)
        tables = set(inspect(connection).get_table_names()) - {"alembic_version", "status_counter", "schema_origin"}
    assert tables == set(seeds), "a table of this revision has no row"
    schema.upgrade(database)
    schema.check(database)
    with database.autocommit() as connection:
        for table, expected in seeds.items():
            kept = {column["name"] for column in inspect(connection).get_columns(table)} & set(expected[0])
            found = rows(connection, table, sorted(kept))
            for row in expected:
                assert {name: value for name, value in row.items() if name in kept} in found


@pytest.mark.parametrize("revision", REVISIONS)
def test_sessions_keys_and_passwords_of_any_revision_go_on_working(
    settings: Settings, database: Database, revision: str
):
    schema.upgrade(database, revision)
    with database.transaction() as connection:
        old_rows.put(connection, old_rows.ROWS[revision])
    schema.upgrade(database)
    app = create_app(settings)
    with httpx.Client(transport=httpx.WSGITransport(app), base_url=settings.issuer) as http:
        oauth = OAuth(http, App(old_rows.CLIENT_ID, None))
        refreshed = oauth.refresh(old_rows.REFRESH_TOKEN)
        assert refreshed.status_code == 200, refreshed.text
        assert refreshed.json()["scope"] == old_rows.SCOPES
        assert oauth.refresh(refreshed.json()["refresh_token"]).status_code == 200
        assert oauth.sign_in(Person("", old_rows.USERNAME.upper(), old_rows.PASSWORD)).status_code == 200
    app.extensions["authserver"].database.dispose()


def test_an_upgrade_step_by_step_ends_where_one_in_one_go_does(database: Database):
    for revision in REVISIONS:
        schema.upgrade(database, revision)
        with database.autocommit() as connection:
            assert schema.current(connection) == revision
    schema.check(database)


def test_a_second_upgrade_changes_nothing(database: Database):
    schema.upgrade(database)
    with database.transaction() as connection:
        old_rows.put(connection, old_rows.ROWS[REVISIONS[-1]])
        before = shape(connection)
    schema.upgrade(database)
    with database.autocommit() as connection:
        assert shape(connection) == before
        assert rows(connection, "sessions", ["id"]) == [{"id": old_rows.SESSION_ID}]


def test_an_upgrade_that_fails_leaves_nothing_behind(database: Database):
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE users (something_else INTEGER)"))
    with pytest.raises(Exception, match="users"):
        schema.upgrade(database)
    with database.autocommit() as connection:
        assert inspect(connection).get_table_names() == ["users"]


# SQLAlchemy cannot read an index of an expression back from SQLite; the next test compares it.
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index ix_users_listed")
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index 'ix_users_listed'")
def test_models_and_migrations_do_not_drift(database: Database):
    schema.upgrade(database)
    with database.autocommit() as connection:
        options = {"compare_type": True, "compare_server_default": True, "render_as_batch": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), db.metadata) == []


def test_migrations_make_just_what_the_models_would(settings: Settings, database: Database):
    """Alembic's comparison ignores conditions of indexes, storage parameters and names of constraints."""
    schema.upgrade(database)
    with database.autocommit() as connection:
        by_migrations = shape(connection)
    with database.transaction() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
        db.metadata.drop_all(connection)
        assert shape(connection) == []
        db.metadata.create_all(connection)
        by_models = shape(connection)
    assert by_migrations == by_models
    assert any("uq_keys_active" in str(part) and "'active'" in str(part) for part in by_models)


def shape(connection: Connection) -> list[Any]:
    """The database's own description of its tables, without the order of columns."""
    return _postgresql_shape(connection) if connection.dialect.name == "postgresql" else _sqlite_shape(connection)


def _postgresql_shape(connection: Connection) -> list[Any]:
    queries = (
        (
            "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default, is_identity "
            "FROM information_schema.columns WHERE table_schema = 'public'"
        ),
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        (
            "SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE connamespace = 'public'::regnamespace"
        ),
        "SELECT relname, relkind::text, reloptions FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    )
    found = [tuple(row) for query in queries for row in connection.execute(text(query))]
    return sorted((row for row in found if "alembic_version" not in str(row)), key=repr)


def _sqlite_shape(connection: Connection) -> list[Any]:
    found: list[Any] = []
    masters = connection.execute(
        text("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name <> 'alembic_version'")
    ).all()
    for kind, name, table, sql in masters:
        if kind == "index":
            found.append((name, table, sql and " ".join(sql.split())))
            continue
        for pragma in ("table_xinfo", "foreign_key_list"):
            first = 1  # the position
            found += [(name, *row[first:]) for row in connection.execute(text(f"PRAGMA {pragma}({name})"))]
        for index in connection.execute(text(f"PRAGMA index_list({name})")).all():
            columns = [row[2] for row in connection.execute(text(f"PRAGMA index_info({index[1]})"))]
            found.append((name, "unique" if index[2] else "index", index[3], columns))
    return sorted(found, key=repr)


def test_several_upgrades_at_once_bring_one_schema(settings: Settings, database: Database):
    prepare = """
from flask import Flask
from authserver.database import schema
from authserver.database.engine import open_database
database = open_database(Flask("upgrade"), settings)
"""
    processes_at_once(prepare, "schema.upgrade(database)\nschema.check(database)", count=6, settings=settings)
    schema.check(database)
    with database.autocommit() as connection:
        assert rows(connection, "status_counter", ["id", "next_index"]) == [{"id": 1, "next_index": 0}]


def test_an_empty_database_says_what_to_run(database: Database):
    with pytest.raises(schema.SchemaOutdated) as refusal:
        schema.check(database)
    assert str(refusal.value) == "the database is empty; run: authserver db upgrade"


@pytest.fixture(scope="module")
def next_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of a later version of authserver, with one more revision."""
    root = tmp_path_factory.mktemp("next")
    make_next_version(root, 'op.add_column("users", sa.Column("nickname", sa.Text(), nullable=True))')
    return root


def test_an_older_schema_says_which_is_needed_and_what_to_run(
    settings: Settings, database: Database, next_version: Path
):
    schema.upgrade(database)
    refused = run(next_version, settings, "users", "list")
    assert refused.returncode == 1
    assert refused.stderr == (
        f"error: the database schema is {REVISIONS[-1]} and should be 9999; run: authserver db upgrade\n"
    )
    assert run(next_version, settings, "db", "upgrade").returncode == 0
    assert run(next_version, settings, "users", "list").returncode == 0


def test_the_version_before_works_on_a_newer_schema_says_so_once_and_leaves_it_as_it_is(
    settings: Settings, database: Database, next_version: Path, caplog: pytest.LogCaptureFixture
):
    """Nodes of the old version start during a rolling upgrade, or after an abandoned one, and upgrade first."""
    upgraded = run(next_version, settings, "db", "upgrade")
    assert upgraded.returncode == 0, upgraded.stderr
    schema._log_newer_once.cache_clear()
    for _ in range(3):
        schema.check(database)
        schema.upgrade(database)
    (said,) = [record.getMessage() for record in caplog.records if record.name == "authserver.database.schema"]
    assert said.startswith(f"The database schema 9999 is newer than this authserver ({REVISIONS[-1]}) knows")
    with database.autocommit() as connection:
        assert schema.current(connection) == "9999"
    for arguments in (["db", "upgrade", "--json"], ["users", "list", "--json"]):
        ran = run(ROOT, settings, *arguments)
        assert ran.returncode == 0, ran.stderr
        assert said in ran.stderr
        json.loads(ran.stdout)
