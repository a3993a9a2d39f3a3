"""A batch takes no more rows than its size, which follows its time, and finds them through an index."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from authserver.clients import store as clients
from authserver.database.batches import Batches
from authserver.sessions import retention
from authserver.sessions.model import SessionRecord
from authserver.sessions.sweep import sweep
from authserver.users import store as users
from authserver.users.model import UserRecord
from tests.support.databases import on_both_databases
from tests.support.setup import Setup
from tests.support.some_sessions import some_sessions

ROWS, LIMIT = 30, 4


@on_both_databases
def test_a_batch_stays_within_its_limit(setup: Setup):
    for _ in range(ROWS):
        setup.a_person(password_hash="none")
    setup.sql("UPDATE users SET removed_at = 1")
    seen: list[tuple[str, int]] = []
    batches = Batches(setup.database, LIMIT, lambda table, rows, _seconds: seen.append((table, rows)))
    while batches.delete(UserRecord.id, users.removed()):
        pass
    assert seen == [("users", 4)] * 7 + [("users", 2)]


@on_both_databases
def test_a_batch_passes_over_what_changed_after_it_was_found(setup: Setup):
    person, other = setup.a_person(password_hash="none"), setup.a_person(password_hash="none")
    ids = [UUID(person.id), UUID(other.id)]
    setup.sql("UPDATE users SET removed_at = 1 WHERE id = :id", id=ids[0])
    both = UserRecord.id.in_(ids)
    assert Batches(setup.database, LIMIT).delete_within(UserRecord.id, both, users.removed()) == 1
    assert [row.username for row in setup.sql("SELECT username FROM users")] == [other.username]


def test_batches_grow_while_they_are_quick_and_shrink_when_others_would_wait(setup: Setup):
    batches = Batches(setup.database, 500)
    sizes = []
    for seconds in (0.001, 0.001, 0.001, 0.02, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.001):
        batches.adapt(seconds)
        sizes.append(batches.size)
    assert sizes == [200, 400, 500, 500, 250, 125, 62, 31, 15, 10, 10, 20]


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
        pruning = retention.prune_sessions(Batches(setup.database, 100), keep=0)
        for _ in range(3):
            next(pruning)
        retention.prune_removed(Batches(setup.database, 100))
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


@on_both_databases
def test_a_batch_of_a_few_rows_does_not_make_the_next_one_larger(setup: Setup, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("authserver.database.batches.time", SimpleNamespace(monotonic=lambda: 0.0))
    some_sessions(setup, 200, revoked_at=1)
    setup.sql("UPDATE sessions SET access_expires_at = 1")
    batches = Batches(setup.database, 500)
    oldest = setup.sql("SELECT id FROM sessions ORDER BY id LIMIT 1")[0].id
    within = SessionRecord.id == UUID(str(oldest))
    assert batches.delete_within(SessionRecord.id, within, SessionRecord.revoked_at == 1) == 1
    assert batches.size == 100
    assert list(retention.prune_sessions(batches, keep=0)) == [
        retention.Progress(199, 100), retention.Progress(199, 199), retention.Progress(199, 199)
    ]  # fmt: skip
    assert batches.size == 200


@on_both_databases
def test_a_page_of_sessions_that_are_needed_takes_no_lock(setup: Setup):
    some_sessions(setup, 30)
    noted: list[int] = []
    batches = Batches(setup.database, 10, lambda _table, rows, _seconds: noted.append(rows))
    assert [step.seen for step in retention.prune_sessions(batches, keep=0)] == [10, 20, 30, 30]
    assert noted == []
    (first,) = setup.sql("SELECT id FROM sessions ORDER BY id LIMIT 1")
    setup.sql("UPDATE sessions SET revoked_at = 1, access_expires_at = 1 WHERE id = :id", id=UUID(str(first.id)))
    assert list(retention.prune_sessions(batches, keep=0))[-1].deleted == 1
    assert noted == [1]
