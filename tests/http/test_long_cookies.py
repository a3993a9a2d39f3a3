"""An access cookie that a browser would drop is never sent: RFC 6265bis allows 4,096 bytes for name and value."""

from collections.abc import Iterator

import httpx
import pytest
from flask import Flask

from authserver.refusals.reasons import Reason
from tests.support.admin_api import a_program
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, refused_as
from tests.support.page import Page
from tests.support.setup import ISSUER, Setup
from tests.support.snapshot import contents
from tests.support.token_answer import reason

MOST = 4096
ORIGIN = "http://127.0.0.1:8002"
BROWSER = {"origins": frozenset({ORIGIN}), "kind": "browser"}
pytestmark = on_both_databases


@pytest.fixture
def page(setup: Setup, app: Flask) -> Iterator[Page]:
    """A page of a client with both tokens in cookies."""
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=ISSUER) as http:
        registered = setup.an_app(public=True, token_delivery="both_cookies", retry_window=0, **BROWSER)
        yield Page(http, registered.client_id, ORIGIN)


def size(page: Page) -> int:
    """The bytes of the access cookie that browsers count."""
    name = f"authserver-at-{page.client_id}"
    return len(f"{name}{page.cookies[name]}")


def set_roles(setup: Setup, table: str, characters: int) -> None:
    setup.sql(f"UPDATE {table} SET roles = :roles", roles="x" * characters)


def test_a_refresh_sets_the_largest_cookie_that_a_browser_keeps_and_never_a_larger_one(page: Page, setup: Setup):
    """Once the cookie was sent, browsers dropped it, and the token was rotated."""
    assert page.sign_in(setup.a_person()).status_code == 200
    nearly = (MOST - size(page)) * 3 // 4 - 20
    for characters in range(nearly, nearly + 40):
        set_roles(setup, "sessions", characters)
        before, cookies = contents(setup), dict(page.cookies)
        answer = page.refresh()
        if answer.status_code != 200:
            break
        largest = size(page)
    assert largest in (MOST - 1, MOST)  # base64 needs one or two characters for a byte
    assert refused_as(answer, "invalid_scope")
    assert reason(setup, answer) is Reason.ACCESS_COOKIE_TOO_LONG
    assert contents(setup) == before
    assert page.cookies == cookies
    assert page.refresh(scope="read").status_code == 200
    set_roles(setup, "sessions", 0)
    assert page.refresh().status_code == 200


def test_a_sign_in_whose_cookie_a_browser_would_drop_leaves_nothing_behind(page: Page, setup: Setup):
    person = setup.a_person()
    assert page.sign_in(person).status_code == 200
    set_roles(setup, "users", MOST)
    before, cookies = contents(setup), dict(page.cookies)
    refused = page.sign_in(person)
    assert refused_as(refused, "invalid_scope")
    assert reason(setup, refused) is Reason.ACCESS_COOKIE_TOO_LONG
    assert contents(setup) == before
    assert page.cookies == cookies


def test_a_registration_warns_of_scopes_that_may_not_fit(setup: Setup, oauth: OAuth):
    names = [f"scope-{number:03d}".ljust(30, "x") for number in range(140)]
    setup.an_api("https://big.example.com", " ".join(names))
    admin = a_program(setup, oauth.http)
    given = {"kind": "browser", "client_name": "Shop", "token_delivery": "both_cookies", "origins": [ORIGIN]}

    def warned(count: int, **more: object) -> bool:
        answer = admin.post("/clients", {**given, "scope": " ".join(names[:count]), **more})
        assert answer.status_code == 201, answer.text
        return "4,096 bytes" in str(answer.json()["warnings"])

    assert warned(140)
    assert not warned(60)
    assert not warned(140, default_scope=names[0])
    assert not warned(140, token_delivery="cookie")


def test_a_token_that_is_too_long_for_a_cookie_is_sent_in_json(page: Page, setup: Setup, oauth: OAuth):
    person = setup.a_person()
    set_roles(setup, "users", MOST)
    assert oauth.sign_in(person).status_code == 200
    other = Page(page.http, setup.an_app(public=True, token_delivery="cookie", **BROWSER).client_id, ORIGIN)
    assert other.sign_in(person).status_code == 200
