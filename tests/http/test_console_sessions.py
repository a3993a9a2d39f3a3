"""The console's sessions: their last use, the reason of their end, and ending one, all of a user or all of a client."""

from __future__ import annotations

from uuid import UUID

import pytest

from authserver.database.identifiers import new_id
from authserver.sessions.sweep import sweep
from tests.support.console import an_administrator, words
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, claims
from tests.support.setup import Setup
from tests.support.visitor import Visitor

SESSIONS = "/admin/sessions"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def signed_in(oauth: OAuth, person: Person, **more: str) -> str:
    """The session of a new sign-in."""
    answer = oauth.sign_in(person, **more)
    assert answer.status_code == 200, answer.text
    session: str = claims(answer.json()["access_token"])["sid"]
    return session


def test_the_empty_list_says_what_will_stand_there(console: Visitor):
    assert "No user is signed in" in words(console, SESSIONS)


def test_a_session_shows_its_device_in_short_words_and_its_last_use(console: Visitor, oauth: OAuth, person: Person):
    oauth.headers["User-Agent"] = FIREFOX
    first = signed_in(oauth, person)
    named = signed_in(oauth, person, device_name="Anna's phone")
    shown = words(console, SESSIONS)
    assert "Firefox on Linux" in shown
    assert "Anna's phone" in shown
    assert person.username in shown
    page = words(console, f"{SESSIONS}/{first}")
    assert FIREFOX in page
    assert "live" in page
    assert f"{SESSIONS}/{named}" in console.get(SESSIONS).text


@on_both_databases
def test_sessions_are_filtered_by_user_and_client_and_state(
    console: Visitor, oauth: OAuth, setup: Setup, person: Person
):
    mine, other = signed_in(oauth, person), signed_in(oauth, setup.a_person())
    for asked in (f"user={person.username}", f"user={person.id}"):
        page = console.get(f"{SESSIONS}?{asked}").text
        assert (mine in page, other in page) == (True, False)
    page = console.get(f"{SESSIONS}?client={oauth.app.client_id}").text
    assert mine in page
    assert other in page
    assert "No session matches" in words(console, f"{SESSIONS}?client=nothing")
    assert console.get(f"{SESSIONS}?user=nobody").status_code == 404


@on_both_databases
def test_one_session_is_ended_and_says_why_from_then_on(console: Visitor, oauth: OAuth, setup: Setup, person: Person):
    session = signed_in(oauth, person)
    console.get(f"{SESSIONS}/{session}")
    assert console.submit(f"{SESSIONS}/{session}/end").status_code == 303
    page = console.follow()
    assert "Ended the session." in page.text
    assert "an administrator ended it" in page.text
    assert session not in console.get(SESSIONS).text
    assert "an administrator ended it" in words(console, f"{SESSIONS}?state=all")
    (event,) = setup.events("session.revoked")
    assert event.actor.startswith("user:")


@on_both_databases
@pytest.mark.parametrize("whose", ["user", "client"])
def test_all_sessions_of_one_are_ended_after_their_number_was_shown(
    console: Visitor, oauth: OAuth, setup: Setup, person: Person, whose: str
):
    for _ in range(3):
        signed_in(oauth, person)
    value = person.username if whose == "user" else oauth.app.client_id
    page = console.get(f"{SESSIONS}/end-all?{whose}={value}")
    assert "End 3 sessions" in page.text
    setup.sql("UPDATE visits SET confirmed_at = confirmed_at - 3600000")
    question = console.post(console.form(f"{SESSIONS}/end-all").action, _fields(console))
    assert question.status_code == 403
    assert "needs your password again" in question.text
    assert setup.events("session.revoked") == []


def _fields(console: Visitor) -> dict[str, str]:
    return dict(console.form(f"{SESSIONS}/end-all").fields)


@on_both_databases
@pytest.mark.parametrize("whose", ["user", "client"])
def test_the_sessions_of_one_end_and_others_stay(
    console: Visitor, oauth: OAuth, setup: Setup, person: Person, whose: str
):
    ended = [signed_in(oauth, person) for _ in range(3)]
    elsewhere = OAuth(oauth.http, setup.an_app())
    kept = signed_in(elsewhere, setup.a_person())
    value = person.username if whose == "user" else oauth.app.client_id
    console.get(f"{SESSIONS}/end-all?{whose}={value}")
    action = console.form(f"{SESSIONS}/end-all").action
    answer = console.post(action, _fields(console))
    assert answer.status_code == 303, answer.text
    assert "Ended 3 sessions." in console.follow().text
    sweep(setup.database, batch=500, settle=0)
    page = console.get(SESSIONS).text
    assert kept in page
    assert not any(session in page for session in ended)


def test_nobody_ends_all_sessions_there_are_by_leaving_the_question_open(console: Visitor):
    assert console.get(f"{SESSIONS}/end-all").status_code == 422


def test_repeats_and_reuse_are_marked_and_explained(console: Visitor, oauth: OAuth, setup: Setup, person: Person):
    session = signed_in(oauth, person)
    setup.sql("UPDATE sessions SET retries = 3, late_retries = 2, revoked_at = 1, revoked_because = 'reuse'")
    shown = words(console, f"{SESSIONS}?state=all")
    assert "3 repeats" in shown
    assert "2 late" in shown
    assert "two parties held the session's tokens" in words(console, f"{SESSIONS}/{session}")


@on_both_databases
def test_sessions_come_page_by_page(console: Visitor, oauth: OAuth, person: Person, setup: Setup):
    first = signed_in(oauth, person)
    (row,) = setup.sql("SELECT * FROM sessions")
    given = {"id": ":new_id", "status_index": ":new_index"}
    names, values = ", ".join(row._fields), ", ".join(given.get(name, name) for name in row._fields)
    for number in range(60):
        copied = f"INSERT INTO sessions ({names}) SELECT {values} FROM sessions WHERE id = :id"
        setup.sql(copied, id=UUID(first), new_id=new_id(), new_index=1_000_000_000 + number)
    page = console.get(SESSIONS).text
    assert first not in page
    older = page.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    assert first in console.get(older).text


def test_who_may_only_look_can_end_nothing(setup: Setup, visitor: Visitor, oauth: OAuth, person: Person):
    session = signed_in(oauth, person)
    visitor.sign_in(an_administrator(setup, frozenset({"authserver:sessions:read"})))
    page = visitor.get(f"{SESSIONS}/{session}")
    assert page.status_code == 200
    assert "End the session" not in page.text
    token = dict(visitor.form("/account/sign-out").fields)["csrf_token"]
    for path in (f"{session}/end", f"end-all?user={person.username}", f"end-all?client={oauth.app.client_id}"):
        assert visitor.post(f"{SESSIONS}/{path}", {"csrf_token": token}).status_code == 403
    assert visitor.get(f"{SESSIONS}/end-all?user={person.username}").status_code == 403
    assert visitor.get(f"/admin/users/{person.id}").status_code == 403
    assert setup.events("session.revoked") == []


def test_a_session_that_is_not_there_is_not_found(console: Visitor):
    assert console.get(f"{SESSIONS}/{new_id()}").status_code == 404
