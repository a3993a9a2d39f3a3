"""Attacks on clients with cookies, which browsers send by themselves. Each request succeeds without the attack."""

from collections.abc import Iterator

import httpx
import pytest
from flask import Flask

from tests.support.oauth import Person, refused_as
from tests.support.page import Page, set_cookies
from tests.support.setup import ISSUER, Setup

ORIGIN = "https://app.example.com"
ATTACKS = {
    "a form of another site": {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
    "a fetch of another site": {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"},
    "a sibling host": {"Origin": "https://blog.example.com"},
    "another port": {"Origin": "https://app.example.com:8443"},
    "plain http": {"Origin": "http://app.example.com"},
    "a longer host": {"Origin": "https://app.example.com.evil.example"},
    "a null origin": {"Origin": "null"},
    "no origin": {"Origin": None},
    "an origin with a path": {"Origin": "https://app.example.com/"},
    "two origins": {"Origin": "https://app.example.com, https://evil.example"},
    "a site that contradicts": {"Sec_Fetch_Site": "cross-site"},
    "a site that is too near": {"Sec_Fetch_Site": "same-origin"},
    "a navigation": {"Sec_Fetch_Mode": "navigate"},
    "an opaque fetch": {"Sec_Fetch_Mode": "no-cors"},
    "a frame": {"Sec_Fetch_Dest": "iframe"},
    "typed by the user": {"Sec_Fetch_Site": "none"},
}  # fmt: skip


@pytest.fixture
def page(setup: Setup, app: Flask) -> Iterator[Page]:
    """The honest page."""
    given = {"token_delivery": "cookie", "origins": frozenset({ORIGIN}), "kind": "browser"}
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=ISSUER) as http:
        yield Page(http, setup.an_app(public=True, **given).client_id, ORIGIN)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_what_no_page_of_the_app_sends_is_refused_everywhere(
    page: Page, person: Person, setup: Setup, attack: dict[str, str | None]
):
    assert page.sign_in(person).status_code == 200
    assert page.refresh().status_code == 200
    sign_in = {"grant_type": "password", "username": person.username, "password": person.password}
    (before,) = setup.sql("SELECT count(*) AS sessions, sum(generation) AS generation FROM sessions")
    for path, form in (("/token", sign_in), ("/token", {"grant_type": "refresh_token"}), ("/revoke", {})):
        answer = page.post(path, form, **attack)
        assert refused_as(answer, "invalid_request", 403)
        assert not set_cookies(answer)
        if attack.get("Origin", ORIGIN) != ORIGIN:
            assert "access-control-allow-origin" not in answer.headers
    assert setup.sql("SELECT count(*) AS sessions, sum(generation) AS generation FROM sessions") == [before]
    assert page.sign_out().status_code == 200


@pytest.mark.parametrize("missing", ["Sec_Fetch_Site", "Sec_Fetch_Mode", "Sec_Fetch_Dest"])
def test_a_browser_that_says_less_of_itself_is_judged_by_its_origin(page: Page, person: Person, missing: str):
    form = {"grant_type": "password", "username": person.username, "password": person.password}
    assert page.post("/token", form, **{missing: None}).status_code == 200
    assert refused_as(
        page.post("/token", form, **{missing: None, "Origin": "https://evil.example"}), "invalid_request", 403
    )


def test_a_cookie_that_is_there_twice_is_refused_and_nobody_is_signed_out(page: Page, person: Person):
    page.sign_in(person)
    ((name, value),) = page.cookies.items()
    assert refused_as(
        page.post("/token", {"grant_type": "refresh_token"}, Cookie=f"{name}=planted; {name}={value}"),
        "invalid_request",
    )
    assert refused_as(
        page.post("/token", {"grant_type": "refresh_token"}, Cookie=f"{name}={value}; {name}=planted"),
        "invalid_request",
    )
    assert page.refresh().status_code == 200


def test_a_cookie_planted_before_the_sign_in_is_replaced(page: Page, person: Person, setup: Setup):
    attacker = setup.a_person()
    thief = Page(page.http, page.client_id, ORIGIN)
    assert thief.sign_in(attacker).status_code == 200
    page.cookies = dict(thief.cookies)
    assert page.sign_in(person).status_code == 200
    assert page.cookies.keys() == thief.cookies.keys()
    assert page.cookies != thief.cookies
    assert page.refresh().status_code == 200
    (row,) = setup.sql(
        "SELECT count(*) AS n FROM sessions WHERE user_id = (SELECT id FROM users WHERE username = :name) AND generation > 0",
        name=person.username,
    )
    assert row.n == 1


def test_the_cookie_of_one_client_is_not_the_cookie_of_another(page: Page, person: Person, setup: Setup):
    page.sign_in(person)
    given = {"token_delivery": "cookie", "origins": frozenset({ORIGIN}), "kind": "browser"}
    other = Page(page.http, setup.an_app(public=True, **given).client_id, ORIGIN, cookies=dict(page.cookies))
    assert refused_as(other.refresh(), "invalid_grant")
    (value,) = page.cookies.values()
    other.cookies = {f"authserver-rt-{other.client_id}": value}
    assert refused_as(other.refresh(), "invalid_grant")
    assert page.refresh().status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_an_origin_is_never_reflected(page: Page, origin: str):
    for path in ("/token", "/revoke"):
        answer = page.post(path, {"grant_type": "refresh_token"}, Origin=origin)
        assert "access-control-allow-origin" not in answer.headers
        assert (
            page.post(path, {"grant_type": "refresh_token"}, Origin=ORIGIN).headers["access-control-allow-origin"]
            == ORIGIN
        )
