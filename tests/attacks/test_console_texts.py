"""Text from outside stays text in the console's pages of users, sessions, audit, Why? and the doctor.

Each page is made twice, with harmless text and with an attack. Both have the same elements and attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from authserver.records import audit
from authserver.records.audit import Caller, Entry, Event
from tests.support.console import Elements, an_administrator
from tests.support.oauth import OAuth, claims
from tests.support.setup import Setup
from tests.support.visitor import Visitor

HARMLESS = "harmless text"
ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "</title></textarea></code><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% include 'x' %}",
]
Place = Callable[[Setup, OAuth, Visitor, str], str]


def _session(setup: Setup, oauth: OAuth, text: str) -> str:
    oauth.headers["User-Agent"] = text
    answer = oauth.sign_in(setup.a_person(), device_name=text)
    assert answer.status_code == 200, answer.text
    session: str = claims(answer.json()["access_token"])["sid"]
    return session


def list_of_sessions(setup: Setup, oauth: OAuth, visitor: Visitor, text: str) -> str:
    _session(setup, oauth, text)
    return visitor.get("/admin/sessions").text


def page_of_a_session(setup: Setup, oauth: OAuth, visitor: Visitor, text: str) -> str:
    session = _session(setup, oauth, text)
    return visitor.get(f"/admin/sessions/{session}").text


def list_of_users(setup: Setup, oauth: OAuth, visitor: Visitor, text: str) -> str:
    setup.a_person(username=text, email="anna@example.com", roles="role")
    return visitor.get("/admin/users?q=anna").text


def page_of_a_user(setup: Setup, oauth: OAuth, visitor: Visitor, text: str) -> str:
    person = setup.a_person(username=text)
    return visitor.get(f"/admin/users/{person.id}").text


def form_of_a_user(setup: Setup, oauth: OAuth, visitor: Visitor, text: str) -> str:
    person = setup.a_person(username=text)
    return visitor.get(f"/admin/users/{person.id}/edit").text


def refused_form_of_a_user(setup: Setup, oauth: OAuth, visitor: Visitor, text: str) -> str:
    visitor.get("/admin/users/add")
    return visitor.submit(
        "/admin/users/add", {"username": text, "email": f"x{text}", "roles": "a/b", "how": "link"}
    ).text


def event(setup: Setup, oauth: OAuth, visitor: Visitor, text: str) -> str:
    caller = Caller("127.0.0.1", text)
    entry = Entry(Event.CLIENT_CHANGED, text, subject=text, client_id="shop", caller=caller, detail={"name": text})
    with setup.database.transaction() as connection:
        audit.record(connection, entry)
    page = visitor.get("/admin/audit?event=client.changed").text
    link = next(value for value in Elements(page).values if value.startswith("/admin/audit/0"))
    return page + visitor.get(link).text


def filters_of_events(setup: Setup, oauth: OAuth, visitor: Visitor, text: str) -> str:
    return visitor.http.get("/admin/audit", params={"actor": text, "client": text, "session": text}).text


def filters_of_sessions(setup: Setup, oauth: OAuth, visitor: Visitor, text: str) -> str:
    return visitor.http.get("/admin/sessions", params={"client": text}).text


def filters_of_users(setup: Setup, oauth: OAuth, visitor: Visitor, text: str) -> str:
    return visitor.http.get("/admin/users", params={"q": text, "role": text}).text


def echo_of_a_reference(setup: Setup, oauth: OAuth, visitor: Visitor, text: str) -> str:
    visitor.get("/admin/why")
    return visitor.submit("/admin/why", {"reference": text}).text


def finding(setup: Setup, oauth: OAuth, visitor: Visitor, text: str) -> str:
    person = setup.a_person(username=text)
    setup.sql("UPDATE users SET password_hash = NULL WHERE id = :id", id=UUID(person.id))
    return visitor.get("/admin/doctor").text


PLACES: list[Place] = [
    list_of_sessions, page_of_a_session, list_of_users, page_of_a_user, form_of_a_user, refused_form_of_a_user, event,
    filters_of_events, filters_of_sessions, filters_of_users, echo_of_a_reference, finding,
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_text_from_outside_adds_nothing_to_a_page(setup: Setup, visitor: Visitor, oauth: OAuth, place: Place):
    visitor.sign_in(an_administrator(setup))
    shown = Elements(place(setup, oauth, visitor, HARMLESS))
    assert HARMLESS in " ".join([shown.words, *shown.values])
    for attack in ATTACKS:
        setup.sql("DELETE FROM sessions")
        setup.sql("DELETE FROM audit_events WHERE event <> 'visit.opened'")
        setup.sql("DELETE FROM users WHERE id NOT IN (SELECT user_id FROM visits)")
        found = Elements(place(setup, oauth, visitor, attack))
        assert found.found == shown.found, attack
        assert attack.split()[0] in " ".join([found.words, *found.values])
