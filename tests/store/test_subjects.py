"""Subjects of users: each belongs to one user, and is no client's id. Removed ones count while tokens may have them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from authserver.administration import clients, pruning, users
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, Invalid
from authserver.administration.users import Profile
from authserver.settings.values import RetentionSettings
from authserver.users.model import UserRecord
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth
from tests.support.setup import Setup
from tests.support.subjects import before_and_after_the_upgrade, register
from tests.support.token_answer import token_answer

pytestmark = on_both_databases


@pytest.fixture
def admin(setup: Setup) -> Administration:
    """An administrator of nodes that keep no ended sessions."""
    settings = setup.with_settings(retention=RetentionSettings(ended_sessions=0))
    return Administration(setup.database, settings, "cli:tester")


def add(admin: Administration, subject: str | None, name: str = "anna", **more: Any) -> UserRecord:
    return users.add(admin, Profile(name, None, frozenset(), subject, **more), None)


def refusal(admin: Administration, subject: str, name: str = "bea") -> str:
    with pytest.raises(Conflict) as refused:
        add(admin, subject, name)
    (problem,) = refused.value.problems
    assert problem.field == "subject"
    return problem.text


@pytest.mark.parametrize("subject", ["auth0|5f7c", "x", "~" * 255, "CN=Anna B,OU=People", "=1+1", "00000000-0000-0000"])
def test_texts_of_other_systems_are_kept_as_they_are(admin: Administration, setup: Setup, subject: str):
    assert add(admin, subject).subject == subject
    (event,) = setup.events("user.added")
    assert f'"subject": "{subject}"' in event.detail


@pytest.mark.parametrize("subject", ["", " ", " a", "a ", "a\n", "a\tb", "ä", "x" * 256, "a\0b", "\x7f"])
def test_other_texts_are_no_subjects(admin: Administration, subject: str):
    with pytest.raises(Invalid) as refused:
        add(admin, subject)
    assert [problem.field for problem in refused.value.problems] == ["subject"]


def test_a_subject_belongs_to_one_user_with_its_case(admin: Administration):
    add(admin, "Abc")
    assert "is the subject of another user" in refusal(admin, "Abc")
    assert add(admin, "abc", "carl").subject == "abc"


def test_a_subject_is_no_id_of_another_user_in_any_spelling(admin: Administration):
    known = add(admin, None).id
    for spelling in (str(known), str(known).upper(), known.hex, f"{{{known}}}", known.urn):
        assert "is the id of another user" in refusal(admin, spelling)
    unknown = str(uuid4())
    assert add(admin, unknown, "carl").subject == unknown


def test_a_subject_is_free_again_when_nothing_of_the_removed_user_is_kept(
    admin: Administration, oauth: OAuth, setup: Setup
):
    person = setup.a_person(subject="moved")
    session_id = token_answer(oauth.sign_in(person)).session_id
    users.remove(admin, person.id)
    assert "is the subject of a removed user" in refusal(admin, "moved")
    assert "is the id of another user" in refusal(admin, person.id)
    setup.back_date(session_id, 40 * 86_400)
    setup.sql("UPDATE sessions SET revoked_at = revoked_at - 864000000")
    list(pruning.prune(admin))
    assert add(admin, "moved").subject == "moved"


def test_a_subject_is_no_client_id_and_a_client_id_is_no_subject(admin: Administration, setup: Setup):
    assert register(admin, "shop") == "client"
    assert "is the client_id of a client" in refusal(admin, "shop")
    clients.remove(admin, "shop")
    list(pruning.prune(admin))
    assert "is the client_id of a client" in refusal(admin, "shop"), "tokens of the removed client have not expired"
    person = add(admin, "till", "bea")
    assert register(admin, "till") == "refused"
    users.remove(admin, str(person.id))
    assert register(admin, "till") == "refused"
    assert setup.sql("SELECT count(*) AS n FROM clients WHERE client_id = 'till'")[0].n == 0


def test_a_subject_is_never_changed(admin: Administration):
    row = add(admin, "moved")
    for other in ("another", None):
        with pytest.raises(Invalid, match="cannot be changed"):
            users.edit(admin, "anna", lambda before, other=other: replace(before, subject=other))
    assert users.edit(admin, "anna", lambda before: replace(before, username="anne")).subject == row.subject


def test_users_are_found_by_what_their_tokens_have_as_sub(admin: Administration):
    moved, plain = add(admin, "moved"), add(admin, None, "bea")

    def found(subject: str) -> list[UUID]:
        return [row.id for row in users.find_all(admin, users.Filter(subject=subject))]

    assert found("moved") == [moved.id]
    assert found(str(plain.id)) == [plain.id]
    assert found(str(moved.id)) == found(str(plain.id).upper()) == found("MOVED") == []


def test_before_all_nodes_know_subjects_none_can_be_given(setup: Setup):
    early, admin = before_and_after_the_upgrade(setup)
    assert "set database.all_nodes_new to true" in refusal(early, "moved")
    assert add(early, None).subject is None
    assert add(admin, "moved", "bea").subject == "moved"
