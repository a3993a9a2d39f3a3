"""Narrowing at a refresh shapes that access token only, never the session (RFC 6749 section 6, RFC 8707 section 2.2)."""

from typing import Any

import pytest

from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, claims, refused_as
from tests.support.setup import API, Setup

pytestmark = on_both_databases

BILLS = "https://bills.example.com/v1"
ALL = ("bills:read read write", sorted([API, BILLS]))


@pytest.fixture
def both(oauth: OAuth, setup: Setup) -> OAuth:
    """A client that may use two APIs."""
    setup.an_api(BILLS, "bills:read")
    return oauth.as_app(setup.an_app(scopes={"read", "write", "bills:read"}))


@pytest.fixture
def token(both: OAuth, person: Person) -> str:
    """The refresh token of a session for both APIs."""
    return both.sign_in(person, resource=[API, BILLS]).json()["refresh_token"]


def given(answer: Any) -> tuple[str, Any]:
    body = answer.json()
    said = claims(body["access_token"])
    assert said.get("scope", "") == body["scope"]
    return body["scope"], said["aud"]


def test_without_scope_or_resource_a_refresh_gives_what_the_session_has(both: OAuth, token: str):
    assert given(both.refresh(token)) == ALL


def test_a_narrower_scope_or_resource_shapes_this_access_token_only(both: OAuth, token: str):
    narrowed = both.refresh(token, scope="read")
    assert given(narrowed) == ("read", API)
    narrowed = both.refresh(narrowed.json()["refresh_token"], resource=BILLS)
    assert given(narrowed) == ("bills:read", BILLS)
    narrowed = both.refresh(narrowed.json()["refresh_token"], scope="write", resource=API)
    assert given(narrowed) == ("write", API)
    assert given(both.refresh(narrowed.json()["refresh_token"])) == ALL


def test_a_retry_may_narrow_too_and_gets_the_same_refresh_token(both: OAuth, token: str):
    first = both.refresh(token)
    retry = both.refresh(token, resource=BILLS)
    assert given(retry) == ("bills:read", BILLS)
    assert retry.json()["refresh_token"] == first.json()["refresh_token"]


def test_more_than_the_session_has_is_refused_and_the_token_stays_good(oauth: OAuth, both: OAuth, person: Person):
    token = both.sign_in(person, scope="read", resource=API).json()["refresh_token"]
    for scope in ("write", "read write", "no-such-scope", 'read"'):
        assert refused_as(both.refresh(token, scope=scope), "invalid_scope")
    for resource in (BILLS, [API, BILLS], "https://nobody.example.com", "x"):
        assert refused_as(both.refresh(token, resource=resource), "invalid_target")
    answer = both.refresh(token)
    assert given(answer) == ("read", API)
    assert answer.json()["refresh_token"] != token


def test_a_scope_of_another_resource_is_refused(both: OAuth, token: str):
    assert refused_as(both.refresh(token, scope="read", resource=BILLS), "invalid_scope")
    assert given(both.refresh(token)) == ALL


def test_a_refused_refresh_leaves_its_session_as_it_was(both: OAuth, setup: Setup, person: Person):
    signed_in = both.sign_in(person, resource=API).json()
    sid = claims(signed_in["access_token"])["sid"]
    before = setup.session(sid)
    both.refresh(signed_in["refresh_token"], scope="bills:read")
    assert setup.session(sid) == before


def test_what_the_client_lost_since_is_left_out(both: OAuth, setup: Setup, token: str):
    setup.sql("UPDATE clients SET scopes = 'bills:read read' WHERE client_id = :id", id=both.app.client_id)
    assert given(both.refresh(token)) == ALL  # the cached client, for up to 5 s
    both.own_token(scope="no-such-scope")  # a refusal looks the client up afresh
    answer = both.refresh(token)
    assert given(answer) == ("bills:read read", ALL[1])
    assert given(both.refresh(answer.json()["refresh_token"], scope="read write")) == ("read", API)


def test_what_the_client_gained_since_takes_a_new_sign_in(both: OAuth, setup: Setup, person: Person):
    app = both.as_app(setup.an_app(scopes={"read"}))
    token = app.sign_in(person).json()["refresh_token"]
    setup.sql("UPDATE clients SET scopes = 'read write' WHERE client_id = :id", id=app.app.client_id)
    assert given(app.sign_in(person, scope="read write")) == ("read write", API)
    assert given(app.refresh(token)) == ("read", API)


def test_roles_are_those_of_the_session(both: OAuth, setup: Setup):
    setup.an_api("https://pay.example.com", "pay", roles={"pay": "payer"})
    app = both.as_app(setup.an_app(scopes={"pay"}))
    signed_in = app.sign_in(setup.a_person(roles="payer")).json()
    refreshed = app.refresh(signed_in["refresh_token"]).json()
    assert refreshed["scope"] == "pay"
    assert claims(refreshed["access_token"])["roles"] == ["payer"]
