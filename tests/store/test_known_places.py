"""Known places: how many a user has, and when they are forgotten."""

from __future__ import annotations

from uuid import UUID

import pytest

from authserver.database.batches import Batches
from authserver.pages import visits
from authserver.users.model import KnownPlaceRecord
from authserver.users.places import MOST, store
from authserver.users.store import find_for_sign_in
from tests.support.databases import on_both_databases
from tests.support.oauth import Person
from tests.support.setup import Setup

pytestmark = on_both_databases
DAY = 86_400_000


@pytest.fixture
def user_id(person: Person) -> UUID:
    return UUID(person.id)


def places_of(setup: Setup, user_id: UUID) -> list[int]:
    rows = setup.sql(f"SELECT place FROM {KnownPlaceRecord.__tablename__} WHERE user_id = :id", id=user_id)
    return sorted(int.from_bytes(bytes(row.place)) for row in rows)


def remember(setup: Setup, user_id: UUID, *places: int, password_version: int = 1) -> None:
    for place in places:
        with setup.database.autocommit() as connection:
            store.remember(connection, user_id, password_version, place.to_bytes(16))


def test_the_place_that_was_used_longest_ago_makes_room(setup: Setup, user_id: UUID):
    other = UUID(setup.a_person().id)
    remember(setup, other, 1)
    for place in range(MOST):
        remember(setup, user_id, place)
        setup.sql("UPDATE known_places SET last_at = last_at - 1000 WHERE user_id = :id", id=user_id)
    remember(setup, user_id, 0, 100)
    assert places_of(setup, user_id) == [0, *range(2, MOST), 100]
    assert places_of(setup, other) == [1]


def test_a_sign_in_finds_its_place_with_the_user(setup: Setup, person: Person, user_id: UUID):
    remember(setup, user_id, 7)
    with setup.database.autocommit() as connection:
        here = find_for_sign_in(connection, person.username, place=(7).to_bytes(16))
        there = find_for_sign_in(connection, person.username, place=(8).to_bytes(16))
        nowhere = find_for_sign_in(connection, person.username)
    assert here is not None
    assert there is not None
    assert nowhere is not None
    assert here.place_used_at is not None
    assert (there.place_used_at, nowhere.place_used_at) == (None, None)


def test_a_place_is_forgotten_with_its_user_and_after_ninety_days(setup: Setup, user_id: UUID):
    other = UUID(setup.a_person().id)
    remember(setup, user_id, 1, 2)
    remember(setup, other, 1, 2)
    setup.transaction(lambda connection: store.forget(connection, user_id))
    assert places_of(setup, user_id) == []
    setup.sql(
        "UPDATE known_places SET last_at = last_at - :ms WHERE place = :place", ms=91 * DAY, place=(1).to_bytes(16)
    )
    assert sum(visits.prune(Batches(setup.database, 1))) == 1
    assert places_of(setup, other) == [2]


def test_a_sign_in_by_a_password_that_changes_meanwhile_makes_no_place_known(
    setup: Setup, person: Person, user_id: UUID
):
    def is_known() -> bool:
        with setup.database.autocommit() as connection:
            found = find_for_sign_in(connection, person.username, place=(7).to_bytes(16))
        assert found is not None
        return found.place_used_at is not None

    setup.sql("UPDATE users SET password_version = 2 WHERE id = :id", id=user_id)
    remember(setup, user_id, 7, password_version=1)
    assert not is_known()
    remember(setup, user_id, 7, password_version=2)
    assert is_known()
    remember(setup, user_id, 7, password_version=1)
    assert is_known(), "a late one takes nothing away"
    setup.sql("UPDATE known_places SET password_version = NULL")
    assert is_known(), "a row of the version before"
