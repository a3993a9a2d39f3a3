"""A batch takes no more rows than its limit with any plan of PostgreSQL, and finds them through an index."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event, false

from authserver.clients import store as clients
from authserver.pages import store as visits
from authserver.sessions import retention
from authserver.sessions.sweep import sweep
from authserver.users import store as users
from authserver.users.links import store as links
from tests.support.databases import on_both_databases, on_postgresql
from tests.support.setup import Setup
from tests.support.some_sessions import some_sessions

ROWS, LIMIT = 30, 4

Batch = Callable[[Connection], int]


def removed_users(setup: Setup) -> Batch:
    for _ in range(ROWS):
        setup.a_person(password_hash="none")
    setup.sql("UPDATE users SET removed_at = 1")
    return lambda connection: users.prune_removed(connection, needed=false(), limit=LIMIT)


def removed_clients(setup: Setup) -> Batch:
    for _ in range(ROWS):
        setup.an_app()
    setup.sql("UPDATE clients SET removed_at = 1, swept_epoch = epoch")
    return lambda connection: clients.prune_removed(connection, needed=false(), limit=LIMIT)


def expired_links(setup: Setup) -> Batch:
    person = setup.a_person(password_hash="none")
    for number in range(ROWS):
        setup.sql(
            "INSERT INTO password_links (digest, user_id, password_version, created_at, expires_at)"
            " VALUES (:digest, :user, 1, 1, 1)",
            digest=number.to_bytes(32),
            user=person.id,
        )
    return lambda connection: links.prune(connection, limit=LIMIT)


def expired_visits(setup: Setup) -> Batch:
    setup.sql(
        "INSERT INTO visits (id, digest, user_id, password_version, opened_at, last_used_at, confirmed_at, expires_at)"
        " SELECT gen_random_uuid(), decode(lpad(to_hex(n), 64, '0'), 'hex'), gen_random_uuid(), 1, 1, 1, 1, 1"
        f" FROM generate_series(1, {ROWS}) AS n"
    )
    return lambda connection: visits.prune(connection, limit=LIMIT)


@on_postgresql
@pytest.mark.parametrize("kind", [removed_users, removed_clients, expired_links, expired_visits])
def test_a_batch_stays_within_its_limit_when_the_inner_statement_would_run_for_each_row(
    setup: Setup, kind: Callable[[Setup], Batch]
):
    delete_some = kind(setup)
    with setup.database.transaction() as connection:
        for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize"):
            connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        assert delete_some(connection) == LIMIT


@contextmanager
def ran(setup: Setup) -> Iterator[list[tuple[str, Any, str]]]:
    """The statements that ran, with their parameters and with what was set for their transaction."""
    seen: list[tuple[str, Any, str]] = []
    setting = "SELECT 1"

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: Any) -> None:
        nonlocal setting
        if statement.startswith("SET LOCAL"):
            setting = statement
        elif statement.startswith("COMMIT"):
            setting = "SELECT 1"
        elif "sessions" in statement:
            seen.append((statement, parameters, setting))

    event.listen(setup.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(setup.database.engine, "before_cursor_execute", note)


def plan(setup: Setup, statement: str, parameters: Any, setting: str) -> list[str]:
    explain = "EXPLAIN QUERY PLAN " if setup.database.is_sqlite else "EXPLAIN "
    with setup.database.transaction() as connection:
        connection.exec_driver_sql(setting)
        return [str(row[-1]) for row in connection.exec_driver_sql(explain + statement, parameters)]


def scans_sessions(step: str) -> bool:
    return "Seq Scan on sessions" in step or ("SCAN sessions" in step and "USING" not in step)


@on_both_databases
def test_no_batch_scans_the_sessions(setup: Setup):
    app = setup.an_app()
    some_sessions(setup, 20_000, client_id=app.client_id)
    setup.sql("UPDATE sessions SET revoked_at = 1, access_expires_at = 1 WHERE status_index % 100 = 0")
    for _ in range(3):
        setup.a_person(password_hash="none")
    setup.sql("UPDATE users SET removed_at = 1")
    setup.transaction(lambda connection: clients.end_epoch(connection, app.client_id))
    setup.sql("UPDATE apis SET narrowed_at = 1")
    setup.sql("DELETE FROM scopes WHERE scope = 'write'")
    if not setup.database.is_sqlite:
        setup.sql("ANALYZE")  # PostgreSQL does so by itself
    with ran(setup) as statements:
        pruning = retention.prune_sessions(setup.database, keep=0, batch=100)
        for _ in range(3):
            next(pruning)
        retention.prune_removed(setup.database, batch=100)
        some = 0

        def stop(_changed: int) -> None:
            nonlocal some
            some += 1
            if some == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            sweep(setup.database, batch=100, on_progress=stop)
        setup.sql("UPDATE clients SET swept_epoch = epoch")
        some = 0
        with pytest.raises(KeyboardInterrupt):
            sweep(setup.database, batch=100, settle=0, on_progress=stop)
    kinds = {statement.split("\n")[0][:30] for statement, *_ in statements}
    assert len(kinds) >= 5, kinds
    for statement, parameters, setting in statements:
        steps = plan(setup, statement, parameters, setting)
        assert not any(scans_sessions(step) for step in steps), (statement, steps)
