"""Tokens in cookies: a page signs in, refreshes and signs out without ever holding a refresh token."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from flask import Flask

from authserver.app import create_app
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.page import Page, set_cookies
from tests.support.setup import ISSUER, Setup
from tests.support.token_answer import token_answer

ORIGIN = "http://127.0.0.1:8002"


@pytest.fixture
def page(setup: Setup, app: Flask) -> Iterator[Page]:
    """A page of a client with token_delivery `cookie`."""
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=ISSUER) as http:
        yield Page(http, a_cookie_app(setup), ORIGIN)


def a_cookie_app(setup: Setup, delivery: str = "cookie", origin: str = ORIGIN, **more: object) -> str:
    given = {"token_delivery": delivery, "origins": frozenset({origin}), "kind": "browser", **more}
    return setup.an_app(public=True, **given).client_id


def test_a_sign_in_puts_the_refresh_token_into_a_cookie_that_scripts_cannot_read(page: Page, person: Person):
    answer = page.sign_in(person)
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json()
    assert {"access_token", "expires_in", "refresh_token_expires_in", "scope"} <= answer.json().keys()
    (cookie,) = set_cookies(answer).values()
    assert cookie.key == f"authserver-rt-{page.client_id}"
    assert (cookie["path"], cookie["samesite"], cookie["httponly"], cookie["domain"]) == ("/", "Strict", True, "")
    assert int(cookie["max-age"]) == answer.json()["refresh_token_expires_in"]


def test_over_https_the_cookie_belongs_to_this_host_alone(
    setup: Setup, person: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    app = create_app(setup.with_settings(issuer="https://auth.example.com"))
    with httpx.Client(transport=httpx.WSGITransport(app), base_url="https://auth.example.com") as http:
        page = Page(http, a_cookie_app(setup, origin="https://app.example.com"), "https://app.example.com")
        (cookie,) = set_cookies(page.sign_in(person)).values()
        assert cookie.key.startswith("__Host-")
        assert (cookie["path"], cookie["secure"], cookie["domain"]) == ("/", True, "")
        assert page.refresh().status_code == 200
    app.extensions["authserver"].database.dispose()


@pytest.mark.parametrize("issuer", ["https://auth.example.com", "https://auth.example.com:443"])
def test_a_page_of_the_issuers_own_origin_signs_in_however_its_default_port_is_written(
    setup: Setup, person: Person, monkeypatch: pytest.MonkeyPatch, issuer: str
):
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    app = create_app(setup.with_settings(issuer=issuer))
    with httpx.Client(transport=httpx.WSGITransport(app), base_url=issuer) as http:
        own = "https://auth.example.com"
        page = Page(http, a_cookie_app(setup, origin=own), own, site="same-origin")
        assert page.sign_in(person).status_code == 200
        page.site = "cross-site"
        assert refused_as(page.sign_in(person), "invalid_request", 403)
    app.extensions["authserver"].database.dispose()


def test_a_refresh_takes_the_cookie_and_replaces_it(page: Page, person: Person):
    page.sign_in(person)
    first = dict(page.cookies)
    answer = page.refresh()
    assert answer.status_code == 200
    assert answer.json()["access_token"]
    assert "refresh_token" not in answer.json()
    assert page.cookies.keys() == first.keys()
    assert page.cookies != first


def test_a_refresh_without_the_cookie_says_that_nobody_is_signed_in(page: Page):
    answer = page.refresh()
    assert refused_as(answer, "invalid_grant")
    assert "set-cookie" not in answer.headers


def test_a_sign_out_ends_the_session_and_clears_the_cookie(page: Page, person: Person, setup: Setup):
    page.sign_in(person)
    before = dict(page.cookies)
    assert page.sign_out().status_code == 200
    assert page.cookies == {}
    page.cookies = before
    assert refused_as(page.refresh(), "invalid_grant")
    (event,) = setup.events("session.revoked")
    assert "signed_out" in event.detail


def test_a_sign_out_without_a_session_clears_the_cookie_too(page: Page):
    page.cookies = {f"authserver-rt-{page.client_id}": "asrt_gone"}
    assert page.sign_out().status_code == 200
    assert page.cookies == {}


def test_a_refusal_leaves_the_cookie_alone(page: Page, person: Person, setup: Setup):
    page.sign_in(person)
    held_by_the_browser = dict(page.cookies)
    setup.sql("UPDATE sessions SET revoked_at = 1, revoked_because = 'signed_out'")
    answer = page.refresh()
    assert refused_as(answer, "invalid_grant")
    assert "set-cookie" not in answer.headers
    assert page.cookies == held_by_the_browser


def test_another_sign_in_replaces_the_cookie(page: Page, person: Person):
    page.sign_in(person)
    first = dict(page.cookies)
    page.sign_in(person)
    assert page.cookies.keys() == first.keys()
    assert page.cookies != first


@on_both_databases
def test_a_sign_in_of_somebody_else_ends_the_session_that_it_replaces(page: Page, person: Person, setup: Setup):
    page.sign_in(person)
    replaced = dict(page.cookies)
    assert page.sign_in(setup.a_person()).status_code == 200
    own, page.cookies = page.cookies, replaced
    assert refused_as(page.refresh(), "invalid_grant")
    page.cookies = own
    assert page.refresh().status_code == 200


def test_a_sign_in_of_the_same_user_ends_nothing_for_its_answer_may_get_lost(page: Page, person: Person):
    page.sign_in(person)
    kept = dict(page.cookies)
    page.sign_in(person)
    page.cookies = kept
    assert page.refresh().status_code == 200


def test_a_sign_in_ends_no_session_by_a_cookie_that_is_not_its_clients_own(
    page: Page, oauth: OAuth, person: Person, setup: Setup
):
    app = setup.an_app(public=True)
    foreign = token_answer(oauth.as_app(app).sign_in(person)).refresh_token
    for value in (foreign, "asrt_" + "A" * 96, "nonsense", ""):
        page.cookies = {f"authserver-rt-{page.client_id}": value}
        assert page.sign_in(setup.a_person()).status_code == 200
    page.cookies = {}
    twice = f"authserver-rt-{page.client_id}=one; authserver-rt-{page.client_id}=two"
    form = {"grant_type": "password", "username": person.username, "password": person.password}
    assert page.post("/token", form, Cookie=twice).status_code == 200
    assert oauth.as_app(app).refresh(foreign).status_code == 200


def test_a_token_in_body_and_cookie_at_once_is_refused(page: Page, person: Person):
    page.sign_in(person)
    (token,) = page.cookies.values()
    assert refused_as(page.refresh(refresh_token=token), "invalid_request")
    assert refused_as(page.sign_out(token=token), "invalid_request")
    assert page.refresh().status_code == 200


def test_a_client_that_was_set_to_cookies_brings_its_old_token_once(
    page: Page, oauth: OAuth, person: Person, setup: Setup
):
    app = setup.an_app(public=True)
    token = token_answer(oauth.as_app(app).sign_in(person)).refresh_token
    setup.sql(
        "UPDATE clients SET token_delivery = 'cookie', origins = :origin WHERE client_id = :id",
        origin=ORIGIN,
        id=app.client_id,
    )
    moved = Page(page.http, app.client_id, ORIGIN)
    answer = moved.refresh(refresh_token=token)  # the node may have the client cached for a few seconds
    assert answer.status_code == 200


def test_both_cookies_leave_no_token_in_the_body(page: Page, person: Person, setup: Setup):
    own = Page(page.http, a_cookie_app(setup, "both_cookies", ISSUER), ISSUER, site="same-origin")
    answer = own.sign_in(person)
    assert answer.json().keys() == {"token_type", "expires_in", "scope", "refresh_token_expires_in"}
    cookies = set_cookies(answer)
    lifetimes = {name.rpartition("-")[0].split("-")[1]: int(cookie["max-age"]) for name, cookie in cookies.items()}
    assert len(cookies) == 2
    assert set(lifetimes.values()) == {answer.json()["expires_in"], answer.json()["refresh_token_expires_in"]}
    assert all(cookie["httponly"] and cookie["samesite"] == "Strict" for cookie in cookies.values())
    assert own.refresh().status_code == 200
    assert own.sign_out().status_code == 200
    assert own.cookies == {}


def test_a_client_without_cookies_is_answered_as_ever(oauth: OAuth, person: Person):
    answer = oauth.sign_in(person)
    assert answer.json()["refresh_token"]
    assert "set-cookie" not in answer.headers
    oauth.headers = {"Cookie": f"authserver-rt-{oauth.app.client_id}=asrt_something"}
    assert oauth.refresh(answer.json()["refresh_token"]).status_code == 200


@on_both_databases
def test_a_cookie_refresh_is_one_statement(page: Page, person: Person, statements: Any):
    page.sign_in(person)
    with statements.counted() as seen:
        assert page.refresh().status_code == 200
    assert len(seen) == 1, seen


# --- CORS ------------------------------------------------------------------------------------------------------------


def test_the_registered_origin_may_read_the_answer(page: Page, person: Person):
    refused_at_sign_in, signed_in = page.sign_in(person, scope="unknown"), page.sign_in(person)
    for answer in (refused_at_sign_in, signed_in, page.refresh(scope="unknown"), page.refresh(), page.sign_out()):
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in answer.headers["vary"]


def test_a_client_with_json_delivery_may_have_origins_too(page: Page, person: Person, setup: Setup):
    client_id = setup.an_app(public=True, origins=frozenset({ORIGIN})).client_id
    answer = Page(page.http, client_id, ORIGIN).sign_in(person)
    assert answer.json()["refresh_token"]
    assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_an_answer_without_origin_still_varies_by_it(oauth: OAuth, person: Person):
    answer = oauth.sign_in(person)
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-origin" not in answer.headers


@on_both_databases
def test_a_preflight_answers_for_every_registered_origin(page: Page, setup: Setup):
    other = "https://other.example.com"
    a_cookie_app(setup, origin=other)
    for origin in (ORIGIN, other):
        for path, method in (("/token", "POST"), ("/revoke", "POST")):
            asked = {"Origin": origin, "Access-Control-Request-Method": method}
            answer = page.http.options(path, headers=asked)
            assert answer.status_code == 204
            assert answer.headers["access-control-allow-origin"] == origin
            assert method in answer.headers["access-control-allow-methods"]


def test_a_preflight_of_a_foreign_origin_gets_nothing(page: Page):
    for origin in ("https://evil.example", "null", ORIGIN + ".evil.example", ORIGIN.upper()):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = page.http.options("/token", headers=asked)
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "Origin" in answer.headers["vary"]


def test_an_origin_counts_at_once_when_it_is_registered(page: Page, person: Person, setup: Setup):
    page.sign_in(person)
    setup.sql("UPDATE clients SET origins = :both", both=f"{ORIGIN} https://new.example.com")
    assert Page(page.http, page.client_id, "https://new.example.com").sign_in(person).status_code == 200
