"""A sign-in with a password, on the wire: which users may sign in, their roles, and the rows that it writes."""

import json
from typing import Any
from urllib.parse import quote_from_bytes, urlencode
from uuid import UUID

import pytest

from authserver.administration import users as admin_users
from authserver.administration.context import Administration
from authserver.refusals.reasons import Reason
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import API, Setup
from tests.support.token_answer import reason, token_answer


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "cli:test")


def as_named(person: Person, name: str) -> Person:
    return Person(person.id, name, person.password)


# --- who is let in ---------------------------------------------------------------------------------------------------


@on_both_databases
@pytest.mark.parametrize(
    "name",
    [
        "Änne Straße",
        "änne straße",
        "ÄNNE STRASSE",
        "A\u0308nne Straße",  # with a combining accent
        "\uff21\u0308nne Straße",  # a full-width A
        "Anne.Strasse@Example.com",
        "anne.strasse@EXAMPLE.COM",
        " Änne Straße\t",  # blanks of a keyboard or of a pasted line
        "\u00a0anne.strasse@example.com\r\n",
    ],
)
def test_a_user_signs_in_by_name_or_address_however_it_is_written(oauth: OAuth, setup: Setup, name: str):
    person = setup.a_person(username="Änne Straße", email="Anne.Strasse@example.com")
    assert token_answer(oauth.sign_in(as_named(person, name))).claims["sub"] == person.id


@pytest.mark.parametrize(
    "change", [str.upper, lambda text: " " + text, lambda text: text + " ", lambda text: text[:-1]]
)
def test_a_password_is_compared_exactly(oauth: OAuth, setup: Setup, change: Any):
    person = setup.a_person(password="Correct horse")
    assert oauth.sign_in(person).status_code == 200
    wrong = Person(person.id, person.username, change(person.password))
    assert refused_as(oauth.sign_in(wrong), "invalid_grant")


def test_every_wrong_sign_in_has_the_same_answer(oauth: OAuth, setup: Setup, admin: Administration):
    person, disabled, removed = (setup.a_person() for _ in range(3))
    unreadable = setup.a_person(password_hash="$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ")
    assert all(oauth.sign_in(who).status_code == 200 for who in (person, disabled, removed))
    admin_users.disable(admin, disabled.username)
    admin_users.remove(admin, removed.username)
    answers = {
        Reason.WRONG_PASSWORD: [oauth.sign_in(Person(person.id, person.username, "wrong password"))],
        Reason.USER_DISABLED: [oauth.sign_in(disabled)],
        Reason.UNREADABLE_HASH: [oauth.sign_in(unreadable)],
        Reason.UNKNOWN_USER: [
            oauth.sign_in(removed),
            *(oauth.sign_in(as_named(person, name)) for name in ("nobody", "no@body.example", "x" * 9999)),
        ],
    }
    for wanted, given in answers.items():
        assert [reason(setup, answer) for answer in given] == [wanted] * len(given)
    everything = [answer for given in answers.values() for answer in given]
    assert all(refused_as(answer, "invalid_grant") for answer in everything)
    assert len({answer.json()["error_description"] for answer in everything}) == 1
    assert len({len(answer.content) for answer in everything}) == 1


@on_both_databases
def test_a_disabled_user_is_signed_out_and_enabling_restores_nothing(
    oauth: OAuth, person: Person, setup: Setup, admin: Administration
):
    token = token_answer(oauth.sign_in(person))
    admin_users.disable(admin, person.username)
    assert refused_as(oauth.refresh(token.refresh_token), "invalid_grant")
    admin_users.enable(admin, person.username)
    assert refused_as(oauth.refresh(token.refresh_token), "invalid_grant")
    assert oauth.sign_in(person).status_code == 200
    assert setup.session(token.session_id).revoked_because == "user_disabled"


@on_both_databases
def test_a_new_password_ends_every_session_of_the_user(
    oauth: OAuth, person: Person, setup: Setup, admin: Administration
):
    tokens = [token_answer(oauth.sign_in(person)) for _ in range(3)]
    other = token_answer(oauth.sign_in(setup.a_person()))
    assert admin_users.set_password(admin, person.username, "another password") == 3
    assert all(refused_as(oauth.refresh(token.refresh_token), "invalid_grant") for token in tokens)
    assert oauth.refresh(other.refresh_token).status_code == 200
    assert refused_as(oauth.sign_in(person), "invalid_grant")
    assert oauth.sign_in(Person(person.id, person.username, "another password")).status_code == 200


# --- roles -----------------------------------------------------------------------------------------------------------


def test_roles_decide_over_scopes_and_stand_in_the_token(oauth: OAuth, setup: Setup):
    setup.sql("UPDATE scopes SET roles = 'editor' WHERE scope = 'write'")
    editor = token_answer(oauth.sign_in(setup.a_person(roles="editor auditor")))
    assert (editor.body["scope"], editor.claims["roles"]) == ("read write", ["auditor", "editor"])
    reader = token_answer(oauth.sign_in(setup.a_person()))
    assert reader.body["scope"] == "read"
    assert "roles" not in reader.claims


@on_both_databases
def test_a_lost_role_takes_its_scopes_from_every_session_at_once(oauth: OAuth, setup: Setup, admin: Administration):
    setup.sql("UPDATE scopes SET roles = 'editor' WHERE scope = 'write'")
    person = setup.a_person(roles="editor")
    token = token_answer(oauth.sign_in(person))
    admin_users.edit(admin, person.username, lambda profile: admin_users.Profile(profile.username, None, frozenset()))
    refreshed = token_answer(oauth.refresh(token.refresh_token))
    assert refreshed.body["scope"] == "read"
    assert "roles" not in refreshed.claims
    assert setup.session(token.session_id).scopes == "read"


@on_both_databases
def test_a_role_that_was_lost_and_regained_widens_no_session(oauth: OAuth, setup: Setup, admin: Administration):
    setup.sql("UPDATE scopes SET roles = 'editor' WHERE scope = 'write'")
    person = setup.a_person(roles="editor")
    token = token_answer(oauth.sign_in(person))
    for roles in (frozenset[str](), frozenset({"editor"})):
        admin_users.edit(
            admin, person.username, lambda old, roles=roles: admin_users.Profile(old.username, None, roles)
        )
    assert token_answer(oauth.refresh(token.refresh_token)).body["scope"] == "read"
    assert token_answer(oauth.sign_in(person)).body["scope"] == "read write"


# --- the rows that it writes -----------------------------------------------------------------------------------------


@on_both_databases
def test_no_device_name_refuses_a_sign_in(oauth: OAuth, person: Person, setup: Setup):
    """Names as systems hand them out, with a no-break space or a joined emoji, once refused it."""

    def kept(device_name: str | bytes) -> str | None:
        name = quote_from_bytes(device_name if isinstance(device_name, bytes) else device_name.encode())
        form = urlencode({"grant_type": "password", "username": person.username, "password": person.password})
        headers = {"Content-Type": "application/x-www-form-urlencoded", **oauth.app.basic}
        answer = oauth.http.post("/token", content=f"{form}&device_name={name}", headers=headers)
        device: str | None = setup.session(token_answer(answer).session_id).device_name
        return device

    assert kept("ü" * 100) == "ü" * 100
    assert kept("Anna\u2019s MacBook\u00a0Pro") == "Anna\u2019s MacBook Pro"
    assert kept("👩\u200d💻 phone") == "👩\u200d💻 phone"
    assert kept("a\0b\nc\u202ed") == "ab cd"
    assert kept(b"Zo\xeb's \xed\xa0\xbd phone") == "Zo\ufffd's \ufffd phone"
    assert kept("") is kept("\u200b\n") is None
    assert setup.session(token_answer(oauth.sign_in(person)).session_id).device_name is None


@on_both_databases
def test_a_sign_in_is_recorded_with_its_place(oauth: OAuth, person: Person, setup: Setup):
    before = setup.database.now()
    token = token_answer(oauth.sign_in(person))
    (event,) = setup.events("session.opened")
    assert (event.actor, event.client_id) == (f"user:{person.id}", oauth.app.client_id)
    assert event.address == "127.0.0.1"
    row = setup.session(token.session_id)
    assert (row.last_address, row.last_user_agent) == (event.address, event.user_agent)
    assert before <= row.auth_time <= row.created_at
    assert row.auth_methods == "pwd"
    assert token.claims["auth_time"] == row.auth_time // 1000


def test_a_refused_sign_in_is_recorded_without_what_was_typed(oauth: OAuth, person: Person, setup: Setup):
    oauth.sign_in(Person(person.id, "my password by mistake", "my other password"))
    (event,) = setup.events("sign_in.refused")
    assert json.loads(event.detail) == {"reason": "unknown_user"}
    assert "mistake" not in str(tuple(event))
    assert "other password" not in str(tuple(event))


@on_both_databases
def test_a_refusal_after_the_right_password_is_recorded_too(oauth: OAuth, person: Person, setup: Setup):
    setup.sql("UPDATE scopes SET roles = 'editor' WHERE scope = 'write'")
    refused = oauth.sign_in(person, scope="write")
    assert refused_as(refused, "invalid_scope")
    (event,) = setup.events("sign_in.refused")
    assert json.loads(event.detail) == {"reason": "scope_needs_role"}
    assert (event.actor, event.client_id) == (f"client:{oauth.app.client_id}", oauth.app.client_id)
    assert (event.outcome, event.reference) == ("refused", refused.json()["reference"])
    assert UUID(str(event.user_id)) == UUID(person.id)


def test_refused_sign_ins_are_recorded_at_a_bounded_rate(oauth: OAuth, setup: Setup):
    nobody = (Person("", f"nobody-{number}", "wrong password") for number in range(60))
    assert all(oauth.sign_in(each).status_code == 400 for each in nobody)
    assert 10 <= len(setup.events("sign_in.refused")) < 40


def test_a_sign_in_stores_no_password_and_no_token(oauth: OAuth, person: Person, setup: Setup):
    token = token_answer(oauth.sign_in(person))
    everything = "".join(
        str(tuple(row)) for table in ("users", "sessions") for row in setup.sql(f"SELECT * FROM {table}")
    )
    assert person.username in everything
    assert person.password not in everything
    assert token.refresh_token not in everything
    (row,) = setup.sql("SELECT password_hash FROM users")
    assert row.password_hash.startswith("$argon2id$")


def test_the_audience_of_a_sign_in_is_the_api_that_owns_its_scopes(oauth: OAuth, person: Person):
    assert token_answer(oauth.sign_in(person)).claims["aud"] == API
