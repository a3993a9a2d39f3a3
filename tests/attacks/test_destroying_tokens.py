"""A failed attempt never uses up or destroys a refresh token, and no two access tokens are equal."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.oauth import App, OAuth, Person, claims, refused_as
from tests.support.setup import API, Setup
from tests.support.snapshot import contents

Attempt = Callable[[OAuth, Setup, str], Any]

ATTEMPTS: dict[str, Attempt] = {
    "a wrong secret": lambda oauth, _, token: oauth.as_app(App(oauth.app.client_id, "wrong")).refresh(token),
    "no secret": lambda oauth, _, token: oauth.as_app(App(oauth.app.client_id, None)).refresh(token),
    "a foreign client": lambda oauth, setup, token: oauth.as_app(setup.an_app()).refresh(token),
    "a foreign public client": lambda oauth, setup, token: oauth.as_app(setup.an_app(public=True)).refresh(token),
    "a scope too many": lambda oauth, _, token: oauth.refresh(token, scope="read admin"),
    "a broken scope": lambda oauth, _, token: oauth.refresh(token, scope='"'),
    "an unknown resource": lambda oauth, _, token: oauth.refresh(token, resource="https://nobody.example"),
    "a repeated parameter": lambda oauth, _, token: oauth.refresh(token, scope=["read", "read"]),
    "a query string": lambda oauth, _, token: oauth.post("/token?x=y", {"refresh_token": token}),
    "a foreign sign-out": lambda oauth, setup, token: oauth.as_app(setup.an_app()).revoke(token),
    "a sign-out with a wrong secret": lambda oauth, _, token: oauth.as_app(App(oauth.app.client_id, "wrong")).revoke(
        token
    ),
}


@pytest.fixture
def token(oauth: OAuth, person: Person) -> str:
    """A refresh token. Each test asserts that it still works after the attempts."""
    return oauth.sign_in(person, scope="read write", resource=API).json()["refresh_token"]


def test_a_refused_attempt_leaves_the_token_current(oauth: OAuth, setup: Setup, token: str):
    for what, attempt in ATTEMPTS.items():
        sessions = contents(setup)["sessions"]
        assert attempt(oauth, setup, token).status_code in {400, 401}, what
        assert contents(setup)["sessions"] == sessions, what
    assert oauth.refresh(token).status_code == 200


def test_a_refused_attempt_does_not_spoil_the_retry_either(oauth: OAuth, setup: Setup, token: str):
    successor = oauth.refresh(token).json()["refresh_token"]
    for what, attempt in ATTEMPTS.items():
        assert attempt(oauth, setup, token).status_code in {400, 401}, what
    assert oauth.refresh(token).json()["refresh_token"] == successor
    assert oauth.refresh(successor).status_code == 200


def test_a_foreign_client_cannot_end_a_session_by_a_token_that_is_superseded(oauth: OAuth, setup: Setup, token: str):
    answer = oauth.refresh(token).json()
    setup.back_date(claims(answer["access_token"])["sid"], 31)
    foreign = oauth.as_app(setup.an_app())
    assert refused_as(foreign.refresh(token), "invalid_grant")
    assert oauth.refresh(answer["refresh_token"]).status_code == 200


def test_two_access_tokens_of_one_second_differ_in_their_jti(oauth: OAuth, person: Person):
    signed_in = oauth.sign_in(person).json()
    answers = [oauth.refresh(signed_in["refresh_token"]) for _ in range(10)] + [oauth.own_token() for _ in range(10)]
    said = [claims(answer.json()["access_token"]) for answer in answers]
    assert len({claim["iat"] for claim in said}) < len(said)
    assert len({claim["jti"] for claim in said}) == len(said)
