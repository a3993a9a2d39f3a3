"""The check of functions with SQL (tests/support/sql_functions.py) sees which functions run on which database."""

from collections.abc import Iterator

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from authserver.database.identifiers import new_id
from authserver.records import audit
from tests.support.databases import on_both_databases
from tests.support.setup import Setup
from tests.support.sql_functions import SqlOnPostgresql, functions_with_sql


@pytest.fixture
def plugin() -> Iterator[SqlOnPostgresql]:
    made = SqlOnPostgresql()
    yield made
    event.remove(Engine, "before_cursor_execute", made.note)


def test_functions_that_execute_statements_are_found_in_every_room():
    found = functions_with_sql()
    for name in (
        "users.store.add",
        "records.audit.read",
        "sessions.opening.Opening.open",
        "tokens.status_list.revoked_indices",
    ):
        assert f"authserver.{name}" in found
    assert "authserver.users.names.fold" not in found
    assert "authserver.database.sqlite._prepare_sqlite" not in found


@on_both_databases
def test_a_function_counts_only_where_it_ran_on_postgresql(setup: Setup, plugin: SqlOnPostgresql):
    assert "authserver.records.audit.read" in plugin.missing
    assert setup.transaction(lambda connection: audit.read(connection, new_id())) is None
    assert ("authserver.records.audit.read" in plugin.ran) == (setup.kind == "postgresql")
    assert ("authserver.records.audit.read" in plugin.missing) == (setup.kind == "sqlite")
