"""Why?: a pasted reference, alone or within its error, shows which check failed and what to do."""

from __future__ import annotations

import json

import pytest

from authserver.refusals.references import LENGTH
from tests.support.console import Elements, an_administrator
from tests.support.oauth import OAuth, Person, claims
from tests.support.setup import Setup
from tests.support.visitor import Visitor

WHY = "/admin/why"


@pytest.fixture
def console(setup: Setup, visitor: Visitor) -> Visitor:
    visitor.sign_in(an_administrator(setup))
    visitor.get(WHY)
    return visitor


@pytest.mark.parametrize("pasted", ["all of it", "the reference"])
def test_a_refusal_is_explained_from_the_error_or_its_reference(
    console: Visitor, oauth: OAuth, person: Person, pasted: str
):
    error = oauth.token(grant_type="password", username=person.username, password="wrong password")
    page = console.submit(WHY, {"reference": error.text if pasted == "all of it" else error.json()["reference"]})
    assert page.status_code == 200
    shown = Elements(page.text).words
    assert "The password was wrong." in shown
    assert "wrong_password" in shown
    assert oauth.app.client_id in shown
    assert "now: enabled" in shown
    assert "just now" in shown


def test_a_stolen_token_is_explained_with_its_session_and_events(
    console: Visitor, oauth: OAuth, setup: Setup, person: Person
):
    first = oauth.sign_in(person).json()
    session = claims(first["access_token"])["sid"]
    setup.back_date(session, 100)
    second = oauth.refresh(first["refresh_token"]).json()
    setup.back_date(session, 100)
    oauth.refresh(second["refresh_token"])
    setup.back_date(session, 100)
    error = oauth.refresh(first["refresh_token"])
    assert error.status_code == 400
    page = console.submit(WHY, {"reference": json.dumps(error.json(), indent=2)})
    shown = Elements(page.text).words
    assert "two parties hold the session's tokens" in shown
    assert session in shown
    assert person.username in shown
    assert "now: ended" in shown
    events = next(value for value in Elements(page.text).values if value.startswith("/admin/audit"))
    assert "A refresh token came back that had been used before" in console.get(events).text


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ("", "Paste the reference"),
        ("what happened?", "There is no reference in this text"),
        ('{"error": "invalid_grant"}', "no member `reference`"),
        ("A" * LENGTH, "Not a reference of this server"),
    ],
)
def test_what_is_no_reference_gets_a_clear_answer(console: Visitor, pasted: str, said: str):
    page = console.submit(WHY, {"reference": pasted})
    assert page.status_code == 422
    assert said in Elements(page.text).words
    assert pasted in page.text or '"' in pasted
