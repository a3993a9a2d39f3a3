"""Which requests find a thread whatever the database does, and when a client is told to come again."""

from uuid import UUID

import pytest
from flask import Flask

from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, claims, refused_as
from tests.support.setup import Setup

ALWAYS = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/sdk/authserver-browser-1.0.0.js",
    "/assets/0123456789abcdef/pages.css",
)
NEVER = ("/", "/token", "/revoke", "/introspect", "/status", "/status/", "/status/x", "/account/sign-in", "/admin/")


def is_at_hand(app: Flask, path: str, method: str = "GET") -> bool:
    found: bool = app.extensions["authserver"].hints.at_hand({"PATH_INFO": path, "REQUEST_METHOD": method})
    return found


@pytest.mark.parametrize("path", ALWAYS)
def test_what_is_in_memory_is_at_hand(app: Flask, path: str):
    assert is_at_hand(app, path)
    assert not is_at_hand(app, path, "POST")
    assert not is_at_hand(app, path + "/more") or path.startswith(("/sdk/", "/assets/"))


@pytest.mark.parametrize("path", NEVER)
def test_what_asks_the_database_is_not_at_hand(app: Flask, path: str):
    assert not is_at_hand(app, path)
    assert not is_at_hand(app, path, "POST")


@pytest.mark.parametrize(("path", "answered"), [("/token", True), ("/status/0", True), ("/account/sign-in", False)])
def test_a_preflight_is_at_hand_where_pages_may_call(app: Flask, path: str, answered: bool):  # noqa: FBT001
    assert is_at_hand(app, path, "OPTIONS") is answered


def test_a_status_list_is_at_hand_once_it_was_built(app: Flask, oauth: OAuth, person: Person):
    assert oauth.sign_in(person).status_code == 200
    assert not is_at_hand(app, "/status/0")
    assert oauth.http.get("/status/0").status_code == 200
    assert is_at_hand(app, "/status/0")
    assert not is_at_hand(app, "/status/1")
    assert not is_at_hand(app, "/status/" + "9" * 5000), "once an error: Python makes no number of so many digits"


@on_both_databases
@pytest.mark.parametrize(("window", "seconds"), [(30, 15), (8, 4), (1, 1), (0, 30)])
def test_a_client_is_told_to_come_again_within_its_retry_window(
    oauth: OAuth, person: Person, setup: Setup, window: int, seconds: int
):
    """Once 30 s, as long as the window: a rotation that was committed counted as reuse when the client came again.

    A window of 1 s once gave 0: the client asked again and again.
    """
    oauth = oauth.as_app(setup.an_app(retry_window=window))
    signed_in = oauth.sign_in(person).json()
    rotated = oauth.refresh(signed_in["refresh_token"]).json()["refresh_token"]
    # The database went back in time.
    setup.sql(
        "UPDATE sessions SET generation = 0, current_digest = previous_digest WHERE id = :id",
        id=UUID(claims(signed_in["access_token"])["sid"]),
    )
    later = oauth.refresh(rotated)
    assert refused_as(later, "temporarily_unavailable", 503)
    assert later.headers["retry-after"] == str(seconds)
