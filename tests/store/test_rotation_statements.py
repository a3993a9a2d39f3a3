"""Each statement of a refresh repeats the conditions of its decision, in case the row changed in between.

Over HTTP these moments are microseconds long, so the tests run the statements with the values of an older row.
"""

from typing import Any
from uuid import UUID

import pytest

from authserver.sessions import recovery, store
from authserver.sessions.refresh_token import parse
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, claims
from tests.support.setup import Setup

pytestmark = on_both_databases


@pytest.fixture
def moved(oauth: OAuth, person: Person, setup: Setup) -> tuple[UUID, dict[str, Any]]:
    """A session in generation 1, and the right parameters of a retry of generation 0."""
    first = oauth.sign_in(person).json()
    assert oauth.refresh(first["refresh_token"]).status_code == 200
    session_id = claims(first["access_token"])["sid"]
    return UUID(session_id), {
        "session_id": UUID(session_id),
        "for_client": oauth.app.client_id,
        "for_epoch": 1,
        "presented": parse(first["refresh_token"]).digest,
        "access_ms": 900_000,
        "idle_ms": 3_600_000,
        "window_ms": 30_000,
        "seen_generation": 1,
    }


LATE = {"late_allowed": 1, "new_digest": b"d" * 32, "new_salt": b"s" * 16, "new_key": 1, "address": None, "agent": None}


def hits(setup: Setup, statement: Any, parameters: dict[str, Any]) -> bool:
    with setup.database.transaction() as connection:
        return store.apply(connection, statement, parameters) is not None


@pytest.mark.parametrize(
    "stale",
    [{"seen_generation": 0}, {"window_ms": 0}, {"for_epoch": 2}, {"for_client": "other"}, {"presented": b"x" * 32}],
)
def test_a_retry_does_nothing_when_the_session_moved(
    setup: Setup, moved: tuple[UUID, dict[str, Any]], stale: dict[str, Any]
):
    _, parameters = moved
    assert hits(setup, store.RETRY, parameters)
    assert not hits(setup, store.RETRY, parameters | stale)


@pytest.mark.parametrize(
    "stale",
    [{"seen_generation": 0}, {"window_ms": 60_000}, {"late_allowed": 0}, {"for_epoch": 2}, {"presented": b"x" * 32}],
)
def test_a_late_retry_does_nothing_when_the_session_moved(
    setup: Setup, moved: tuple[UUID, dict[str, Any]], stale: dict[str, Any]
):
    session_id, parameters = moved
    setup.back_date(str(session_id), 31)
    assert not hits(setup, store.RETRY_LATE, parameters | LATE | stale)
    assert hits(setup, store.RETRY_LATE, parameters | LATE)


def test_a_late_retry_does_nothing_when_the_successor_was_presented_meanwhile(
    setup: Setup, moved: tuple[UUID, dict[str, Any]]
):
    session_id, parameters = moved
    setup.back_date(str(session_id), 31)
    setup.sql("UPDATE sessions SET current_presented = :yes WHERE id = :id", yes=True, id=session_id)
    assert not hits(setup, store.RETRY_LATE, parameters | LATE)
    setup.sql("UPDATE sessions SET current_presented = :no WHERE id = :id", no=False, id=session_id)
    assert hits(setup, store.RETRY_LATE, parameters | LATE)


def test_reuse_ends_no_session_that_moved_or_whose_current_token_it_is(
    setup: Setup, oauth: OAuth, moved: tuple[UUID, dict[str, Any]]
):
    session_id, _ = moved
    current = bytes(setup.session(str(session_id)).current_digest)

    def revoke(generation: int, presented: bytes) -> bool:
        with setup.database.transaction() as connection:
            return store.end_reused(connection, session_id, oauth.app.client_id, generation, presented)

    assert not revoke(0, b"x" * 32)
    assert not revoke(1, current)
    assert revoke(1, b"x" * 32)
    assert not revoke(1, b"x" * 32)


NEWER = {"newer_generation": 5, "new_key": 1, "address": None, "agent": None}


@pytest.mark.parametrize(
    "stale",
    [{"seen_generation": 0}, {"newer_generation": 1}, {"for_epoch": 2}, {"for_client": "other"}],
)
def test_an_adoption_does_nothing_when_the_session_moved(
    setup: Setup, moved: tuple[UUID, dict[str, Any]], stale: dict[str, Any]
):
    setup.transaction(lambda connection: recovery.declare(connection, 3600))
    assert not hits(setup, store.ADOPT, moved[1] | NEWER | stale)
    assert hits(setup, store.ADOPT, moved[1] | NEWER)


@pytest.mark.parametrize("column", ["revoked_at", "absolute_expires_at"])
def test_an_adoption_does_nothing_when_the_session_ended(setup: Setup, moved: tuple[UUID, dict[str, Any]], column: str):
    setup.transaction(lambda connection: recovery.declare(connection, 3600))
    setup.sql(f"UPDATE sessions SET {column} = 1 WHERE id = :id", id=moved[0])
    assert not hits(setup, store.ADOPT, moved[1] | NEWER)


def test_an_adoption_does_nothing_when_the_recovery_was_ended_meanwhile(
    setup: Setup, moved: tuple[UUID, dict[str, Any]]
):
    setup.transaction(lambda connection: recovery.declare(connection, 3600))
    setup.transaction(recovery.end)
    assert not hits(setup, store.ADOPT, moved[1] | NEWER)
