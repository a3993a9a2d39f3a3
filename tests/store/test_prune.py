"""Pruning deletes old rows in batches, by any number of nodes, and no row that is still needed."""

import subprocess
import sys
from uuid import UUID

import pytest

from authserver.administration import clients as admin_clients
from authserver.administration import users as admin_users
from authserver.administration.context import Administration
from authserver.database.batches import Batches
from authserver.database.status_indices import BLOCK, StatusIndices
from authserver.sessions import retention
from authserver.sessions.sweep import sweep
from authserver.settings.values import CacheSettings
from tests.support.at_once import threads_at_once
from tests.support.databases import on_both_databases, on_postgresql
from tests.support.oauth import OAuth, Person, claims, refused_as
from tests.support.server import ROOT, LiveServer
from tests.support.setup import Setup
from tests.support.some_sessions import DAY, session_count, some_sessions

pytestmark = on_both_databases


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.with_settings(caches=CacheSettings(max_age=1e-6)), "cli:test")


def prune(setup: Setup, *, keep: int = 7 * DAY, batch: int = 10) -> retention.Progress:
    return list(retention.prune_sessions(Batches(setup.database, batch), keep=keep))[-1]


# --- pruning ---------------------------------------------------------------------------------------------------------


def test_only_sessions_that_ended_long_ago_go(setup: Setup):
    some_sessions(setup, 3)  # live
    some_sessions(setup, 2, revoked_at=setup.database.now(), revoked_because="signed_out")  # ended now
    revoked, idle, absolute = (some_sessions(setup, 11) for _ in range(3))
    long_ago = setup.database.now() - 8 * DAY * 1000
    for ids, column in ((revoked, "revoked_at"), (idle, "idle_expires_at"), (absolute, "absolute_expires_at")):
        for session_id in ids:
            setup.sql(
                f"UPDATE sessions SET {column} = :then, access_expires_at = :then WHERE id = :id",
                then=long_ago,
                id=session_id,
            )
    progress = list(retention.prune_sessions(Batches(setup.database, 10), keep=7 * DAY))
    assert [step.seen for step in progress] == [10, 20, 30, 38, 38]
    assert progress[-1].deleted == 33
    assert session_count(setup) == session_count(setup, "revoked_at IS NULL") + 2 == 5
    assert prune(setup) == retention.Progress(seen=5, deleted=0)


def test_a_session_stays_while_a_token_of_it_may_still_be_accepted(setup: Setup):
    # A verifier may allow 5 minutes of clock skew, and a status list has to show the session until then.
    now = setup.database.now()
    some_sessions(setup, 1, revoked_at=now - DAY * 1000)
    setup.sql("UPDATE sessions SET access_expires_at = :then", then=now - 290_000)
    assert prune(setup, keep=0).deleted == 0
    setup.sql("UPDATE sessions SET access_expires_at = :then", then=now - 301_001)
    assert prune(setup, keep=0).deleted == 1


def test_a_pruning_that_was_stopped_is_taken_up_by_the_next(setup: Setup):
    some_sessions(setup, 25, revoked_at=1)
    setup.sql("UPDATE sessions SET access_expires_at = 1")
    next(iter(retention.prune_sessions(Batches(setup.database, 10), keep=0)))
    assert session_count(setup) == 15
    assert prune(setup, keep=0).deleted == 15


def test_nodes_that_prune_at_once_delete_each_row_once(setup: Setup):
    some_sessions(setup, 300, revoked_at=1)
    some_sessions(setup, 10)
    setup.sql("UPDATE sessions SET access_expires_at = 1 WHERE revoked_at IS NOT NULL")
    done = threads_at_once(*[lambda: prune(setup, keep=0, batch=7)] * 4)
    assert sum(progress.deleted for progress in done) == 300
    assert session_count(setup) == 10


@on_postgresql
def test_pruning_passes_over_a_row_that_somebody_holds(setup: Setup):
    held, *_ = some_sessions(setup, 3, revoked_at=1)
    setup.sql("UPDATE sessions SET access_expires_at = 1")
    with setup.database.transaction() as connection:
        connection.exec_driver_sql("SELECT id FROM sessions WHERE id = %s FOR UPDATE", (held,))
        assert prune(setup, keep=0).deleted == 2
    assert prune(setup, keep=0).deleted == 1


def test_commands_that_prune_at_once_in_processes_of_their_own_all_succeed(setup: Setup):
    setup.key_rotation().ensure()
    some_sessions(setup, 300, revoked_at=1)
    setup.sql("UPDATE sessions SET access_expires_at = 1")
    environment = {**LiveServer(setup).environment(), "AUTHSERVER_RETENTION__PRUNE_BATCH": "7"}
    command = [sys.executable, "-m", "authserver", "prune"]
    running = [
        subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], outputs
    assert session_count(setup) == 0


def test_an_ended_session_is_refused_alike_before_and_after_it_was_pruned(oauth: OAuth, person: Person, setup: Setup):
    token = oauth.sign_in(person).json()["refresh_token"]
    assert oauth.revoke(token).status_code == 200
    before = oauth.refresh(token)
    setup.sql("UPDATE sessions SET revoked_at = 1, access_expires_at = 1")
    assert prune(setup).deleted == 1
    after = oauth.refresh(token)
    assert refused_as(before, "invalid_grant")
    assert refused_as(after, "invalid_grant")
    assert before.json()["error_description"] == after.json()["error_description"]


def test_a_removed_user_is_erased_when_no_session_needs_the_row(oauth: OAuth, setup: Setup, admin: Administration):
    needed, free = setup.a_person(), setup.a_person()
    sid = claims(oauth.sign_in(needed).json()["access_token"])["sid"]
    for person in (needed, free):
        admin_users.remove(admin, person.id)
    assert retention.prune_removed(Batches(setup.database, 1)) == 1
    assert retention.prune_removed(Batches(setup.database, 1)) == 0
    setup.sql("DELETE FROM sessions WHERE id = :id", id=UUID(sid))
    assert retention.prune_removed(Batches(setup.database, 1)) == 1
    assert setup.sql("SELECT count(*) AS n FROM users")[0].n == 0


def test_a_removed_client_is_erased_when_no_session_needs_the_row(
    oauth: OAuth, person: Person, setup: Setup, admin: Administration
):
    free = setup.an_app()
    sid = claims(oauth.sign_in(person).json()["access_token"])["sid"]
    admin_clients.remove(admin, oauth.app.client_id)
    admin_clients.remove(admin, free.client_id)
    # A sign-in that began before may still insert its session, so the row stays for a while.
    assert retention.prune_removed(Batches(setup.database, 10)) == 0
    setup.sql("UPDATE clients SET changed_at = changed_at - 61000")
    sweep(setup.database, batch=10)
    assert retention.prune_removed(Batches(setup.database, 10)) == 1
    assert [row.client_id for row in setup.sql("SELECT client_id FROM clients")] == [oauth.app.client_id]
    setup.sql("DELETE FROM sessions WHERE id = :id", id=UUID(sid))
    assert retention.prune_removed(Batches(setup.database, 10)) == 1


def test_nodes_that_erase_at_once_count_each_row_once(setup: Setup, admin: Administration):
    for _ in range(20):
        admin_users.remove(admin, setup.a_person(password_hash="none").id)
    erased = threads_at_once(*[lambda: retention.prune_removed(Batches(setup.database, 20))] * 4)
    assert sum(erased) + retention.prune_removed(Batches(setup.database, 20)) == 20


def test_audit_events_go_when_they_are_old_enough(oauth: OAuth, person: Person, setup: Setup):
    for _ in range(5):
        oauth.sign_in(person)
    events = [row.id for row in setup.events("session.opened")]
    old = "(SELECT id FROM audit_events WHERE event = 'session.opened' ORDER BY id LIMIT 3)"
    setup.sql(f"UPDATE audit_events SET at = at - :ms WHERE id IN {old}", ms=366 * DAY * 1000)
    progress = list(retention.prune_audit(Batches(setup.database, 2), keep=365 * DAY))
    assert [step.deleted for step in progress] == [2, 3, 3]
    assert [row.id for row in setup.events("session.opened")] == events[3:]


# --- status indices --------------------------------------------------------------------------------------------------


def test_status_indices_are_unique_over_nodes_and_give_no_order_away(setup: Setup):
    nodes = [StatusIndices(setup.database) for _ in range(4)]
    dealt = threads_at_once(
        *[lambda node=node: [node.take() for _ in range(BLOCK + 10)] for node in nodes for _ in range(2)]
    )
    everything = [index for hand in dealt for index in hand]
    assert len(set(everything)) == len(everything) == 8 * (BLOCK + 10)
    assert all(hand != sorted(hand) for hand in dealt)


def test_status_indices_are_unique_over_processes(setup: Setup):
    program = (
        "from authserver.settings.model import load_settings; import os; from flask import Flask\n"
        "from authserver.database.engine import open_database; from authserver.database.status_indices import StatusIndices\n"
        "database = open_database(Flask('node'), load_settings(None, os.environ))\n"
        "indices = StatusIndices(database); print(*[indices.take() for _ in range(1500)])"
    )
    environment = LiveServer(setup).environment()
    running = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, cwd=ROOT, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    dealt = [index for process in running for index in process.communicate(timeout=120)[0].split()]
    assert len(set(dealt)) == len(dealt) == 4500


def test_a_status_index_is_not_used_again_after_its_session_was_pruned(oauth: OAuth, person: Person, setup: Setup):
    oauth.sign_in(person)
    (used,) = setup.sql("SELECT status_index FROM sessions")
    setup.sql("UPDATE sessions SET revoked_at = 1, access_expires_at = 1")
    assert prune(setup, keep=0).deleted == 1
    later = StatusIndices(setup.database)
    assert used.status_index not in {later.take() for _ in range(BLOCK)}
