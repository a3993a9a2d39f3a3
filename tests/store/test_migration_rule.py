"""No migration disturbs nodes of the version before. The check refuses each act that the rule forbids."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from flask import Flask
from pydantic import SecretStr

from authserver.database import schema
from authserver.database.engine import Database, open_database
from authserver.settings.model import Settings
from authserver.settings.values import DatabaseSettings
from tests.support.migration_rule import BEFORE_REVISION, breaches, is_due, recorded
from tests.support.postgres import postgres_or_skip

pytestmark = pytest.mark.postgresql

SCRIPTS = {script.revision: script.module for script in ScriptDirectory.from_config(schema._config()).walk_revisions()}
#: The newest revision from before the rule. No version that was released had to serve beside these.
LAST_UNRULED = "0006"

Migration = Callable[[Operations], None]


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """An empty database, which the first test upgrades."""
    server = postgres_or_skip()
    url = server.create_database()
    made = open_database(Flask("rule"), Settings(database=DatabaseSettings(url=SecretStr(url))))
    yield made
    made.dispose()
    server.drop_database(url)


@pytest.fixture(scope="module")
def ran(database: Database) -> dict[str, list[str]]:
    """What each migration runs, by its revision."""
    found = {}
    for revision in sorted(SCRIPTS):
        with recorded(database.engine) as statements:
            schema.upgrade(database, revision)
        found[revision] = statements
    return found


def test_no_migration_disturbs_nodes_of_the_version_before(ran: dict[str, list[str]]):
    for revision in (revision for revision in SCRIPTS if revision > LAST_UNRULED):
        contracts = getattr(SCRIPTS[revision], "contracts", None)
        assert contracts is None or is_due(contracts), f"{revision}: the version before does not have {contracts} yet"
        assert breaches(ran[revision], contract=contracts is not None) == [], revision


def test_the_rule_sees_what_the_migrations_before_it_did(ran: dict[str, list[str]]):
    assert {revision for revision in sorted(SCRIPTS)[:6] if breaches(ran[revision])} == {"0002", "0003", "0006"}
    assert "ix_sessions_revoked" in str(breaches(ran["0002"]))
    assert "ix_audit_events_user_id" in str(breaches(ran["0003"]))
    assert "ix_users_listed" in str(breaches(ran["0006"]))


def statements_of(database: Database, migration: Migration) -> list[str]:
    """What a migration runs on the newest schema. Nothing of it stays."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        with recorded(connection) as statements:
            migration(Operations(MigrationContext.configure(connection)))
        connection.exec_driver_sql("ROLLBACK")
    return statements


def column(**options: object) -> sa.Column[str]:
    return sa.Column("nickname", sa.Text(), **options)  # type: ignore[call-overload,no-any-return]


def add_and_index(op: Operations) -> None:
    """A new table may have whatever it likes."""
    op.create_table("nicknames", sa.Column("name", sa.Text(), primary_key=True), sa.Column("rank", sa.Integer()))
    op.create_index("uq_nicknames_rank", "nicknames", ["rank"], unique=True)
    op.create_unique_constraint("uq_nicknames_name", "nicknames", ["name", "rank"])


def add_unique(op: Operations) -> None:
    """Old nodes leave the column empty, so they cannot meet the constraint."""
    op.add_column("clients", column())
    op.create_unique_constraint("uq_clients_nickname", "clients", ["nickname"])


ALLOWED: dict[str, Migration] = {
    "a table": add_and_index,
    "a new column that is unique": add_unique,
    "an unlogged table": lambda op: op.execute("CREATE UNLOGGED TABLE counts (name TEXT PRIMARY KEY)"),
    "a column that may be NULL": lambda op: op.add_column("users", column()),
    "a column with a default in the database": lambda op: op.add_column(
        "users", column(nullable=False, server_default="none")
    ),
    "a number with a default": lambda op: op.add_column(
        "users", sa.Column("rank", sa.Integer(), nullable=False, server_default=sa.text("0"))
    ),
    "an index of a small table": lambda op: op.create_index("ix_clients_kind", "clients", ["kind"]),
    "a row": lambda op: op.execute("INSERT INTO status_counter (id, next_index) VALUES (2, 0)"),
}
#: Forbidden in a version that expands, and allowed in a contract.
CONTRACTS: dict[str, tuple[Migration, str]] = {
    "drop a column": (lambda op: op.drop_column("users", "email"), "drops"),
    "drop a table": (lambda op: op.drop_table("leases"), "drops"),
    "drop an index": (lambda op: op.drop_index("ix_visits_user_id", "visits"), "drops"),
    "drop a constraint": (lambda op: op.drop_constraint("uq_clients_status_index", "clients"), "drops"),
    "drop a default": (lambda op: op.execute("ALTER TABLE clients ALTER COLUMN kind DROP DEFAULT"), "demands a value"),
    "demand a value": (lambda op: op.alter_column("clients", "contacts", nullable=False), "demands a value"),
    "a unique constraint": (lambda op: op.create_unique_constraint("uq", "clients", ["name"]), "demands something"),
    "a unique index": (lambda op: op.create_index("uq", "clients", ["name"], unique=True), "demands something"),
    "a check": (lambda op: op.create_check_constraint("ck", "clients", "name <> ''"), "demands something"),
    "a foreign key": (
        lambda op: op.create_foreign_key("fk", "visits", "users", ["user_id"], ["id"]),
        "demands something",
    ),
    "an index that a back-fill has made": (
        lambda op: op.create_index("ix", "sessions", ["created_at"], if_not_exists=True),
        "index of a large table",
    ),
}
#: Forbidden in each version.
NEVER: dict[str, tuple[Migration, str]] = {
    "rename a column": (lambda op: op.alter_column("users", "email", new_column_name="address"), "renames"),
    "rename a table": (lambda op: op.rename_table("leases", "claims"), "renames"),
    "change a type": (lambda op: op.alter_column("clients", "late_retries", type_=sa.BigInteger()), "changes a type"),
    "a column that old nodes do not fill": (
        lambda op: op.add_column("leases", column(nullable=False)),
        "old nodes do not fill",
    ),
    "a default that is computed for each row": (
        lambda op: op.add_column("users", column(server_default=sa.text("gen_random_uuid()::text"))),
        "for each row",
    ),
    "several statements": (lambda op: op.execute("SELECT 1; DROP TABLE leases"), "several statements"),
    "an update": (lambda op: op.execute("UPDATE users SET roles = lower(roles)"), "changes rows at once"),
    "a deletion": (lambda op: op.execute(sa.text("DELETE FROM audit_events WHERE at < 0")), "changes rows at once"),
    "an index of a large table": (lambda op: op.create_index("ix", "sessions", ["created_at"]), "large table"),
    "a unique constraint of a large table": (
        lambda op: op.create_unique_constraint("uq", "users", ["created_at"]),
        "large table",
    ),
    "a demand on a large table": (lambda op: op.alter_column("users", "password_hash", nullable=False), "large table"),
    "copied rows": (
        lambda op: op.execute("INSERT INTO activity (at, name, count) SELECT at, event, 1 FROM audit_events"),
        "not known to be harmless",
    ),
    "anything else": (lambda op: op.execute("LOCK TABLE users"), "not known to be harmless"),
}


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize("toy", ALLOWED)
def test_what_old_nodes_do_not_notice_is_allowed(database: Database, toy: str):
    assert breaches(statements_of(database, ALLOWED[toy])) == []


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize("toy", CONTRACTS)
def test_what_only_a_contract_may_do_is_refused_elsewhere(database: Database, toy: str):
    migration, problem = CONTRACTS[toy]
    statements = statements_of(database, migration)
    (refused,) = breaches(statements)
    assert problem in refused
    assert breaches(statements, contract=True) == []


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize("toy", NEVER)
def test_what_no_version_may_do_is_refused_in_a_contract_too(database: Database, toy: str):
    migration, problem = NEVER[toy]
    (refused,) = breaches(statements_of(database, migration), contract=True)
    assert problem in refused


def test_a_contract_waits_until_the_version_before_has_its_expand():
    assert is_due(BEFORE_REVISION)
    assert not is_due(f"{int(BEFORE_REVISION) + 1:04}")
