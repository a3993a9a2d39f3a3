"""Self-service: users see and end their own sessions, change their password, and export their data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, claims
from tests.support.setup import Setup
from tests.support.visitor import Visitor

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NEW = "a wholly new password"


def open_session(oauth: OAuth, person: Person, **more: Any) -> tuple[str, str]:
    """Sign in to the app; returns the session's id and its refresh token."""
    tokens = oauth.sign_in(person, **more).json()
    return claims(tokens["access_token"])["sid"], tokens["refresh_token"]


def change(visitor: Visitor, old: str, new: str, repeated: str | None = None) -> Any:
    visitor.get("/account/password")
    form = {"old_password": old, "new_password": new, "repeated_password": new if repeated is None else repeated}
    return visitor.submit("/account/password", form)


def test_a_session_is_shown_with_app_device_scopes_and_end(visitor: Visitor, oauth: OAuth, person: Person):
    oauth.headers["User-Agent"] = FIREFOX
    open_session(oauth, person, scope="read")
    open_session(oauth, person, device_name="Anna's phone", scope="read write")
    visitor.sign_in(person)
    text = visitor.follow().text
    assert "An app" in text
    assert "Firefox on Linux" in text
    assert "Anna&#39;s phone" in text
    assert "read; write" in text
    assert "127.0.0.1" in text
    assert "in 6 days" in text


def test_an_account_without_sessions_says_so(visitor: Visitor, person: Person):
    visitor.sign_in(person)
    assert "You are signed in to no app" in visitor.follow().text


@on_both_databases
def test_the_list_of_sessions_costs_four_statements_however_many_there_are(
    visitor: Visitor, oauth: OAuth, person: Person, statements: Any
):
    visitor.sign_in(person)
    costs = []
    for _ in range(2):
        for _ in range(5):
            open_session(oauth, person)
        visitor.get("/account/")  # the catalogue is cached
        with statements.counted() as seen:
            visitor.get("/account/")
        costs.append(len(seen))
    assert costs == [4, 4]


@on_both_databases
def test_one_session_is_ended_and_the_others_stay(visitor: Visitor, oauth: OAuth, person: Person, setup: Setup):
    ended, its_token = open_session(oauth, person)
    _, other_token = open_session(oauth, person)
    visitor.sign_in(person)
    visitor.follow()
    answer = visitor.submit(f"/account/sessions/{ended}/end")
    assert answer.status_code == 303
    assert "Ended the session" in visitor.follow().text
    assert oauth.refresh(its_token).json()["error"] == "invalid_grant"
    assert oauth.refresh(other_token).status_code == 200
    (event,) = setup.events("session.revoked")
    assert event.actor == f"user:{person.id}"
    assert json.loads(event.detail)["because"] == "ended_by_user"


@on_both_databases
def test_a_session_of_somebody_else_is_not_ended(visitor: Visitor, oauth: OAuth, person: Person, setup: Setup):
    own, _ = open_session(oauth, person)
    theirs, token = open_session(oauth, setup.a_person())
    visitor.sign_in(person)
    visitor.follow()
    fields = dict(visitor.form(f"/account/sessions/{own}/end").fields)
    visitor.post(f"/account/sessions/{theirs}/end", fields)
    assert "had ended before" in visitor.follow().text
    assert oauth.refresh(token).status_code == 200
    visitor.submit(f"/account/sessions/{own}/end")
    assert "Ended the session" in visitor.follow().text


@on_both_databases
def test_everything_but_this_browser_is_ended(
    visitors: Callable[[], Visitor], oauth: OAuth, person: Person, setup: Setup
):
    tokens = [open_session(oauth, person)[1] for _ in range(3)]
    _, strangers = open_session(oauth, setup.a_person())
    here, elsewhere = visitors(), visitors()
    elsewhere.sign_in(person)
    here.sign_in(person)
    here.follow()
    here.submit("/account/sessions/end-others")
    assert "Ended 3 sessions, and signed 1 other browser out" in here.follow().text
    assert [oauth.refresh(token).status_code for token in tokens] == [400] * 3
    assert oauth.refresh(strangers).status_code == 200
    assert elsewhere.get("/account/").status_code == 303
    assert here.get("/account/").status_code == 200


@on_both_databases
def test_another_browser_is_signed_out_from_here(visitors: Callable[[], Visitor], person: Person, setup: Setup):
    here, elsewhere = visitors(), visitors()
    elsewhere.sign_in(person)
    here.sign_in(person)
    other, own = [row.id for row in setup.sql("SELECT id FROM visits ORDER BY id")]
    page = here.follow()
    assert f"/account/visits/{UUID(str(own))}/end" not in page.text
    here.submit(f"/account/visits/{UUID(str(other))}/end")
    assert elsewhere.get("/account/").status_code == 303
    assert here.get("/account/").status_code == 200


@on_both_databases
def test_a_changed_password_ends_all_sessions_and_other_visits(
    visitors: Callable[[], Visitor], oauth: OAuth, person: Person, setup: Setup
):
    tokens = [open_session(oauth, person)[1] for _ in range(2)]
    here, elsewhere = visitors(), visitors()
    elsewhere.sign_in(person)
    here.sign_in(person)
    before = here.http.cookies["authserver"]
    assert change(here, person.password, NEW).status_code == 303
    assert "Ended 2 sessions" in here.follow().text
    assert here.http.cookies["authserver"] != before
    assert here.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 303
    assert [oauth.refresh(token).status_code for token in tokens] == [400] * 2
    assert oauth.sign_in(person).status_code == 400
    assert oauth.sign_in(Person(person.id, person.username, NEW)).status_code == 200
    here.http.cookies["authserver"] = before
    assert here.get("/account/").status_code == 303, "the old value of the cookie is dead"
    assert len(setup.events("user.password_changed")) == 1
    assert json.loads(setup.events("session.revoked")[0].detail) == {"because": "password_changed", "sessions": 2}


@pytest.mark.parametrize(
    ("old", "new", "repeated", "said"),
    [
        ("not it at all", NEW, NEW, "present password is not right"),
        ("", NEW, NEW, "present password is not right"),
        (None, "short", "short", "A password has 8 to 256 characters, not 5"),
        (None, "x" * 257, "x" * 257, "A password has 8 to 256 characters, not 257"),
        (None, NEW, NEW + "r", "are not the same"),
        (None, None, None, "The new password is the old one"),
    ],
)
def test_a_refused_change_changes_nothing(
    visitor: Visitor, oauth: OAuth, person: Person, old: str | None, new: str | None, repeated: str | None, said: str
):
    _, token = open_session(oauth, person)
    visitor.sign_in(person)
    present = person.password if old is None else old
    wanted = person.password if new is None else new
    answer = change(visitor, present, wanted, person.password if repeated is None else repeated)
    assert answer.status_code == 422
    assert said in answer.text
    for typed in (present, wanted):
        assert not typed or typed not in answer.text, "a password is never sent back"
    assert oauth.refresh(token).status_code == 200
    assert oauth.sign_in(person).status_code == 200
    assert change(visitor, person.password, NEW).status_code == 303


def test_events_are_told_in_plain_words(visitor: Visitor, oauth: OAuth, person: Person, setup: Setup):
    session, token = open_session(oauth, person)
    oauth.refresh(token)
    setup.back_date(session, 600)
    assert oauth.refresh(token).status_code == 400
    visitor.sign_in(person, password="not it at all")
    visitor.sign_in(person)
    change(visitor, person.password, NEW)
    text = visitor.get("/account/events").text
    for words in (
        "You signed in to an app.",
        "as if it had been stolen",
        "Somebody tried to sign in as you and was refused.",
        "You signed in to these pages.",
        "You changed your password.",
    ):
        assert words in text


def test_the_place_of_an_administrator_is_not_told_to_users(visitor: Visitor, person: Person, setup: Setup):
    visitor.sign_in(person)
    setup.sql(
        "UPDATE audit_events SET actor = 'user:somebody-else', address = '203.0.113.9', event = 'user.changed' "
        "WHERE event = 'visit.opened'"
    )
    text = visitor.get("/account/events").text
    assert "Your user name, e-mail address or roles were changed." in text
    assert "203.0.113.9" not in text
    visitor.get("/account/data")
    assert "203.0.113.9" not in visitor.submit("/account/data").text


@on_both_databases
def test_own_data_is_complete_and_has_no_secrets(visitor: Visitor, oauth: OAuth, setup: Setup):
    person = setup.a_person(email="anna@example.com", roles="editor")
    stranger = setup.a_person()
    session, token = open_session(oauth, person, device_name="Anna's phone")
    open_session(oauth, stranger)
    visitor.sign_in(person)
    visitor.get("/account/data")
    answer = visitor.submit("/account/data")
    assert "attachment" in answer.headers["content-disposition"]
    data = answer.json()
    assert data["user"]["username"] == person.username
    assert data["user"]["email"] == "anna@example.com"
    assert data["user"]["roles"] == ["editor"]
    assert [(row["id"], row["device_name"], row["client_name"]) for row in data["sessions"]] == [
        (session, "Anna's phone", "An app")
    ]
    assert {event["event"] for event in data["events"]} == {
        "session.opened", "visit.opened", "user.data_downloaded"
    }  # fmt: skip
    assert len(data["visits"]) == 1
    assert data["events_complete"]
    for secret in ("argon2", "digest", "salt", "password_hash", token, visitor.http.cookies["authserver"]):
        assert secret not in answer.text
    assert stranger.username not in answer.text


def test_pages_name_an_administrators_scopes_in_words(visitor: Visitor, oauth: OAuth, setup: Setup):
    scope = "authserver:clients:read"
    person = setup.a_person(roles="administrator")
    app = setup.an_app(scopes={scope})
    open_session(oauth.as_app(app), person, scope=scope)
    visitor.sign_in(person)
    assert "Administration:</strong> See clients" in visitor.follow().text


def test_the_navigation_marks_the_page_also_after_a_form(visitor: Visitor, person: Person):
    visitor.sign_in(person)
    assert 'href="/account/new-device" aria-current="page"' in visitor.get("/account/new-device").text
    assert 'href="/account/new-device" aria-current="page"' in visitor.submit("/account/new-device").text
    refused = change(visitor, "wrong", NEW)
    assert refused.text.count('aria-current="page"') == 1
    assert 'href="/account/password" aria-current="page"' in refused.text
