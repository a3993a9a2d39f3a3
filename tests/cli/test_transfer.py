"""A transfer from SQLite to PostgreSQL takes everything along, and no user is signed out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import select

from authserver.app import create_app
from authserver.database import schema
from authserver.database.engine import Database, open_database
from authserver.database.tables import db
from authserver.database.transfer import transfer
from authserver.pages.visits import Visits
from authserver.records.audit import Caller
from authserver.settings.values import DatabaseSettings
from authserver.users.model import Proof
from tests.support import old_rows
from tests.support.oauth import OAuth, Person
from tests.support.postgres import postgres_or_skip
from tests.support.setup import Setup
from tests.support.shell import Shell
from tests.support.token_answer import token_answer

pytestmark = pytest.mark.postgresql


@pytest.fixture
def url() -> Iterator[str]:
    """A new PostgreSQL database."""
    server = postgres_or_skip()
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def shell(setup: Setup, url: str) -> Shell:
    """Commands on the PostgreSQL database."""
    shell = Shell(setup)
    shell.environment["AUTHSERVER_DATABASE__URL"] = url
    return shell


@pytest.fixture
def target(setup: Setup, url: str) -> Iterator[Setup]:
    """The setup of the nodes on PostgreSQL, with the same master key."""
    settings = setup.with_settings(database=DatabaseSettings(url=SecretStr(url)))
    made = Setup("postgresql", setup.directory, settings, open_database(Flask("target"), settings), setup.hasher, None)
    yield made
    made.database.dispose()


def file_of(setup: Setup, *apps: Flask) -> str:
    """The file of the SQLite database, after everything that uses it was stopped."""
    for app in apps:
        app.extensions["authserver"].database.dispose()
    setup.database.dispose()
    return str(setup.settings.data_dir / "authserver.db")


def rows(database: Database) -> dict[str, list[Any]]:
    with database.autocommit() as connection:
        found = {
            table.name: [tuple(row) for row in connection.execute(select(table)).all()]
            for table in db.metadata.sorted_tables
        }
    database.dispose()
    return {name: sorted(several, key=repr) for name, several in found.items()}


def test_sessions_passwords_clients_visits_and_the_audit_record_go_along(
    setup: Setup, app: Flask, oauth: OAuth, person: Person, shell: Shell, target: Setup
):
    late = token_answer(oauth.refresh(token_answer(oauth.sign_in(person)).refresh_token))
    lost = token_answer(oauth.sign_in(person))
    repeated = token_answer(oauth.refresh(lost.refresh_token))  # its answer gets lost in the move
    proof = Proof(UUID(person.id), 1, setup.database.now(), frozenset({"pwd"}))
    cookie = Visits(setup.database, setup.settings.pages).open(proof, Caller())
    file = file_of(setup, app)
    before = rows(setup.database)

    assert shell.run("db", "upgrade").returncode == 0
    copied = shell.json("transfer", file)["rows"]
    assert copied == {name: len(several) for name, several in before.items()}
    assert rows(target.database) == before
    with_postgresql = create_app(target.settings)
    with httpx.Client(transport=httpx.WSGITransport(with_postgresql), base_url=target.settings.issuer) as http:
        moved = OAuth(http, oauth.app)
        assert token_answer(moved.refresh(late.refresh_token)).session_id == late.session_id
        assert token_answer(moved.refresh(lost.refresh_token)).refresh_token == repeated.refresh_token
        assert moved.sign_in(person).status_code == 200
        assert len(http.get("/.well-known/jwks.json").json()["keys"]) == 2
    assert Visits(target.database, target.settings.pages).find(cookie, Caller()) is not None
    with_postgresql.extensions["authserver"].database.dispose()
    # Numbers of new rows go on behind the copied ones.
    assert shell.run("keys", "rotate", "--kind", "token", "--now").returncode == 0
    assert len(shell.json("audit", "list", "--event", "session.opened")) == 3


def test_a_row_of_every_table_arrives_as_it_was(setup: Setup, shell: Shell, target: Setup):
    seeds = old_rows.ROWS[max(old_rows.ROWS)]
    for table in ("scopes", "apis"):
        setup.sql(f"DELETE FROM {table}")
    setup.transaction(lambda connection: old_rows.put(connection, seeds))
    before = rows(setup.database)
    assert {name for name, several in before.items() if not several} == set()
    assert shell.run("db", "upgrade").returncode == 0
    shell.json("transfer", file_of(setup))
    assert rows(target.database) == before


def test_a_transfer_may_take_longer_than_any_request(setup: Setup, shell: Shell, target: Setup):
    """Once the deadline of the source's transaction also ended the statements of the target."""
    assert shell.run("db", "upgrade").returncode == 0
    hurried = setup.settings.database.model_copy(update={"timeout": 1})
    source = open_database(Flask("source"), setup.with_settings(database=hurried), bounded=False)
    slow: list[str] = []

    def wait_once(table: str, _copied: int) -> None:
        if not slow:
            slow.append(table)
            time.sleep(1.2)

    try:
        assert sum(transfer(source, target.database, wait_once).values()) > 0
    finally:
        source.dispose()
    assert slow


def test_a_source_in_use_another_schema_and_a_target_in_use_are_refused(
    setup: Setup, app: Flask, oauth: OAuth, person: Person, shell: Shell, target: Setup
):
    token_answer(oauth.sign_in(person))
    file = str(setup.settings.data_dir / "authserver.db")
    assert "authserver db upgrade" in shell.refused("transfer", file)
    assert shell.run("db", "upgrade").returncode == 0
    assert "stop the server" in shell.refused("transfer", file)
    file_of(setup, app)
    setup.sql("UPDATE alembic_version SET version_num = '0006'")
    file_of(setup)
    assert "run authserver db upgrade on each" in shell.refused("transfer", file)
    setup.sql("UPDATE alembic_version SET version_num = :newest", newest=schema.newest())
    setup.sql("UPDATE clients SET name = :name", name="zero\0byte")
    file_of(setup)
    assert "a row of clients does not fit" in shell.refused("transfer", file)
    assert rows(target.database)["users"] == []
    setup.sql("UPDATE clients SET name = 'fits'")
    file_of(setup)
    shell.json("transfer", file)
    assert "it must be new" in shell.refused("transfer", file)
    # Two live databases would fork the sessions, and neither would find a stolen token out.
    assert "was transferred to PostgreSQL" in shell.refused(
        "users", "list", AUTHSERVER_DATABASE__URL=f"sqlite:///{file}"
    )
    with pytest.raises(schema.SchemaOutdated, match="transferred"):
        create_app(setup.settings)
    sqlite = {"AUTHSERVER_DATABASE__URL": f"sqlite:///{file}"}
    assert "name an SQLite database" in shell.refused("transfer", file, **sqlite)
