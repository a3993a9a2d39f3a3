"""Sweeps: the mark of an act reaches every session once, in batches, by any number of nodes."""

import threading

import pytest

from authserver.administration import apis as admin_apis
from authserver.administration.context import Administration
from authserver.clients import store as clients
from authserver.sessions.sweep import sweep
from authserver.settings.values import CacheSettings
from tests.support.at_once import threads_at_once
from tests.support.databases import on_both_databases, on_postgresql
from tests.support.oauth import OAuth, Person
from tests.support.setup import API, Setup
from tests.support.some_sessions import session_count, some_sessions

pytestmark = on_both_databases

OTHER_API = "https://other.example.com"


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.with_settings(caches=CacheSettings(max_age=1e-6)), "cli:test")


# --- the end of an epoch ---------------------------------------------------------------------------------------------


def test_an_ended_epoch_reaches_every_session_of_the_client_in_batches(setup: Setup):
    app, other = setup.an_app(), setup.an_app()
    some_sessions(setup, 25, client_id=app.client_id)
    some_sessions(setup, 5, client_id=other.client_id)
    some_sessions(setup, 3, client_id=app.client_id, client_epoch=2)  # opened after the mark
    setup.transaction(lambda connection: clients.end_epoch(connection, app.client_id))
    progress: list[int] = []
    assert sweep(setup.database, batch=10, on_progress=progress.append) == 25
    assert progress[:3] == [10, 20, 25]
    assert session_count(setup, "revoked_because = 'client_ended'") == 25
    assert session_count(setup, "revoked_at IS NULL") == 8


def test_a_sweep_that_is_done_finds_nothing_more(setup: Setup):
    app = setup.an_app()
    some_sessions(setup, 3, client_id=app.client_id)
    setup.transaction(lambda connection: clients.end_epoch(connection, app.client_id))
    assert sweep(setup.database, batch=10) == 3
    before = setup.sql("SELECT id, revoked_at FROM sessions ORDER BY id")
    assert sweep(setup.database, batch=10) == 0
    assert setup.sql("SELECT id, revoked_at FROM sessions ORDER BY id") == before
    assert len(setup.events("sessions.swept")) == 1


def test_a_sweep_that_was_stopped_half_way_is_finished_by_the_next(setup: Setup):
    app = setup.an_app()
    some_sessions(setup, 25, client_id=app.client_id)
    setup.transaction(lambda connection: clients.end_epoch(connection, app.client_id))

    def stop(changed: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(setup.database, batch=10, on_progress=stop)
    assert session_count(setup, "revoked_at IS NULL") == 15
    assert sweep(setup.database, batch=10) == 15


def test_nodes_that_sweep_at_once_end_each_session_once(setup: Setup):
    app = setup.an_app()
    some_sessions(setup, 200, client_id=app.client_id)
    setup.transaction(lambda connection: clients.end_epoch(connection, app.client_id))
    assert sum(threads_at_once(*[lambda: sweep(setup.database, batch=7)] * 4)) == 200
    assert session_count(setup, "revoked_at IS NULL") == 0


@on_postgresql
def test_a_sweep_waits_for_a_session_that_somebody_holds(setup: Setup):
    app = setup.an_app()
    held, *_ = some_sessions(setup, 3, client_id=app.client_id)
    setup.transaction(lambda connection: clients.end_epoch(connection, app.client_id))
    passed_over = threading.Event()
    results: list[int] = []
    with setup.database.transaction() as connection:
        connection.exec_driver_sql("SELECT id FROM sessions WHERE id = %s FOR UPDATE", (held,))
        sweeper = threading.Thread(
            target=lambda: results.append(
                sweep(setup.database, batch=10, on_progress=lambda changed: passed_over.set() if changed else None)
            )
        )
        sweeper.start()
        assert passed_over.wait(60)
        assert session_count(setup, "revoked_at IS NULL") == 1
        assert setup.sql("SELECT swept_epoch FROM clients")[0].swept_epoch == 1
    sweeper.join()
    assert results == [3]
    assert session_count(setup, "revoked_at IS NULL") == 0


# --- the narrowing of an API -----------------------------------------------------------------------------------------


def narrow(setup: Setup, scopes: str = "read") -> None:
    """Take scopes from the API and mark it, without the sweep."""
    kept = ", ".join(f"'{scope}'" for scope in scopes.split())
    setup.sql(f"DELETE FROM scopes WHERE audience = '{API}' AND scope NOT IN ({kept})")
    now = setup.database.now()
    setup.sql("UPDATE apis SET narrowed_at = :now WHERE audience = :audience", now=now, audience=API)


def test_a_removed_scope_leaves_every_session_of_the_api_in_batches(setup: Setup):
    setup.an_api(OTHER_API, "other")
    some_sessions(setup, 25)
    some_sessions(setup, 4, scopes=frozenset({"other"}), audiences=frozenset({OTHER_API}))
    narrow(setup)
    progress: list[int] = []
    assert sweep(setup.database, batch=10, settle=0, on_progress=progress.append) == 25
    assert progress[:3] == [10, 20, 25]
    assert {(row.scopes, row.n) for row in setup.sql("SELECT scopes, count(*) AS n FROM sessions GROUP BY scopes")} == {
        ("read", 25),
        ("other", 4),
    }
    assert sweep(setup.database, batch=10, settle=0) == 0


def test_a_scope_that_was_bound_to_a_role_stays_with_those_who_have_it(setup: Setup):
    some_sessions(setup, 2)
    some_sessions(setup, 1, roles=frozenset({"editor"}))
    setup.sql("UPDATE scopes SET roles = 'editor' WHERE scope = 'write'")
    narrow(setup, "read write")
    assert sweep(setup.database, batch=10, settle=0) == 2
    assert session_count(setup, "scopes = 'read'") == 2
    assert session_count(setup, "scopes = 'read write' AND roles = 'editor'") == 1


def test_a_narrowing_waits_until_every_cache_has_noticed(setup: Setup):
    some_sessions(setup, 1)
    narrow(setup)
    assert sweep(setup.database, batch=10) == 0
    assert session_count(setup, "scopes = 'read write'") == 1
    setup.sql("UPDATE apis SET narrowed_at = narrowed_at - 6001")
    assert sweep(setup.database, batch=10) == 1


def test_nodes_that_narrow_at_once_change_each_session_once(setup: Setup):
    some_sessions(setup, 100)
    narrow(setup)
    assert sum(threads_at_once(*[lambda: sweep(setup.database, batch=7, settle=0)] * 4)) == 100
    assert session_count(setup, "scopes = 'read'") == 100


def test_a_scope_that_comes_back_is_not_given_to_old_sessions(
    oauth: OAuth, person: Person, setup: Setup, admin: Administration
):
    old = oauth.sign_in(person).json()
    assert old["scope"] == "read write"
    admin_apis.edit(admin, API, lambda plan: admin_apis.Plan(API, plan.name, None, {"read": frozenset()}))
    full = {"read": frozenset[str](), "write": frozenset[str]()}
    admin_apis.edit(admin, API, lambda plan: admin_apis.Plan(API, plan.name, None, full))
    assert oauth.refresh(old["refresh_token"]).json()["scope"] == "read"
    assert oauth.sign_in(person).json()["scope"] == "read write"
