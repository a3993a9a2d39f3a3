"""An issuer with a path: every address lies below it, and the root belongs to the other parts of the host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from flask import Flask

from authserver.administration import password_links
from authserver.administration.context import Administration
from authserver.app import create_app
from authserver.settings.values import MetricsSettings
from tests.support.admin_api import a_program
from tests.support.console import an_administrator
from tests.support.oauth import Person
from tests.support.setup import Setup
from tests.support.visitor import Visitor

HOST, BASE = "https://one.example.com", "/auth/main"
#: What a proxy or a load balancer asks a node itself, and the document whose place RFC 8414 gives.
OUTSIDE = {"/healthz", "/readyz", "/metrics", f"/.well-known/oauth-authorization-server{BASE}"}


@pytest.fixture
def app_below(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    setup.settings = setup.with_settings(issuer=HOST + BASE, metrics=MetricsSettings(token="0123456789abcdef"))
    made = create_app(setup.settings)
    yield made
    made.extensions["authserver"].database.dispose()


@pytest.fixture
def http(app_below: Flask) -> Iterator[httpx.Client]:
    with httpx.Client(transport=httpx.WSGITransport(app_below), base_url=HOST) as client:
        yield client


@pytest.fixture
def browser(http: httpx.Client) -> Visitor:
    return Visitor(http, HOST)


def sign_in(browser: Visitor, person: Person) -> httpx.Response:
    page = f"{BASE}/account/sign-in"
    browser.get(page)
    return browser.submit(page, {"login": person.username, "password": person.password})


def test_every_route_lies_below_the_path_except_what_operation_needs(app_below: Flask):
    routes = {rule.rule for rule in app_below.url_map.iter_rules()}
    assert {route for route in routes if not route.startswith(f"{BASE}/")} == OUTSIDE
    assert {f"{BASE}{path}" for path in ("/healthz", "/readyz", "/metrics", "/token", "/account/", "/admin/")} <= routes


@pytest.mark.parametrize(
    "path", ["/", "/account/", "/account/sign-in", "/admin/", "/admin/api/docs", "/token", "/sdk/x"]
)
def test_nothing_answers_at_the_root(http: httpx.Client, path: str):
    assert http.get(path).status_code == 404


@pytest.mark.parametrize("prefix", ["", BASE])
def test_health_and_metrics_answer_at_both_places(http: httpx.Client, prefix: str):
    assert http.get(f"{prefix}/healthz").status_code == 200
    assert http.get(f"{prefix}/readyz").status_code == 200
    assert http.get(f"{prefix}/metrics").status_code == 401
    assert http.get(f"{prefix}/metrics", headers={"Authorization": "Bearer 0123456789abcdef"}).status_code == 200


def test_a_password_link_lies_below_the_path_and_works(setup: Setup, browser: Visitor):
    person = setup.a_person()
    issued = password_links.issue(Administration(setup.database, setup.settings, "cli:tester"), person.username)
    assert issued.url.startswith(f"{HOST}{BASE}/account/password/")
    path = urlsplit(issued.url).path
    assert browser.get(path).status_code == 200
    new = {"new_password": "a wholly new password", "repeated_password": "a wholly new password"}
    assert browser.submit(path, new).headers["location"] == f"{BASE}/account/sign-in"
    assert sign_in(browser, Person(person.id, person.username, "a wholly new password")).status_code == 303


def test_a_sign_in_leads_from_page_to_page_below_the_path(setup: Setup, browser: Visitor):
    sent = browser.get(f"{BASE}/admin/users")
    assert sent.headers["location"].startswith(f"{BASE}/account/sign-in?next=")
    browser.follow()
    person = an_administrator(setup)
    answer = browser.submit(f"{BASE}/account/sign-in", {"login": person.username, "password": person.password})
    assert answer.headers["location"] == f"{BASE}/admin/users"
    # With __Host- a browser takes no other path (RFC 6265bis section 4.1.3.2).
    assert any("__Host-authserver=" in line and "Path=/;" in line for line in answer.headers.get_list("set-cookie"))
    page = browser.follow()
    assert page.status_code == 200
    addresses = re.findall(r'(?:href|src|action|hx-get)="(/[^"]*)"', page.text)
    assert len(addresses) > 10
    assert [address for address in addresses if not address.startswith(f"{BASE}/")] == []
    for address in addresses:
        if "/assets/" in address:
            assert browser.http.get(address).status_code == 200


@pytest.mark.parametrize(
    "wanted", ["/account/", "/admin/users", "//evil.example", f"{BASE}evil/account/", f"{BASE}/../account/", BASE]
)
def test_a_sign_in_leads_to_no_address_outside_of_the_path(setup: Setup, browser: Visitor, wanted: str):
    person = setup.a_person()
    browser.get(f"{BASE}/account/sign-in")
    form = {"login": person.username, "password": person.password, "next": wanted}
    answer = browser.submit(f"{BASE}/account/sign-in", form)
    assert answer.headers["location"] == f"{BASE}/account/"


def test_a_confirmation_comes_back_below_the_path(setup: Setup, browser: Visitor):
    person = an_administrator(setup)
    sign_in(browser, person)
    setup.sql("UPDATE visits SET confirmed_at = 0")
    assert browser.get(f"{BASE}/admin/users/add").status_code == 403
    browser.submit(f"{BASE}/account/confirm", {"confirm_password": person.password})
    assert browser.page is not None
    assert browser.page.headers["location"] == f"{BASE}/admin/users/add"


def test_an_error_below_the_path_is_a_page_and_elsewhere_json(browser: Visitor):
    assert browser.get(f"{BASE}/account/nothing-here").headers["content-type"].startswith("text/html")
    assert browser.get("/account/nothing-here").headers["content-type"].startswith("application/json")


def test_the_admin_api_names_addresses_below_the_path(setup: Setup, app_below: Flask):
    transport = httpx.WSGITransport(app_below)
    with httpx.Client(transport=transport, base_url=HOST + BASE) as http:
        api = a_program(setup, http)
        made = api.post("/users", {"username": "anna", "password": "a wholly new password"})
        assert made.headers["location"] == f"{BASE}/admin/api/users/{made.json()['id']}"
        api.post("/users", {"username": "bert", "password": "a wholly new password"})
        assert api.get("/users?limit=1").json()["next"].startswith(f"{BASE}/admin/api/users?")
        document = api.get("/openapi.json").json()
        assert document["servers"] == [{"url": f"{BASE}/admin/api"}]
        flow = document["components"]["securitySchemes"]["oauth"]["flows"]["clientCredentials"]
        assert flow["tokenUrl"] == f"{BASE}/token"
        unknown = api.get("/nothing")
        assert unknown.headers["content-type"] == "application/problem+json"
        assert f"{BASE}/admin/api/docs" in unknown.json()["detail"]
