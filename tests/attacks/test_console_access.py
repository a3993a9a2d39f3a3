"""Which scope opens which page of the console. The routes come from the app: a route without a rule fails here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from authserver.apis.administration import AUDIENCE, SCOPES
from authserver.console import SECTIONS
from tests.support.console import an_administrator, browser
from tests.support.databases import on_both_databases
from tests.support.setup import API, Setup
from tests.support.visitor import Visitor

_START = "console.start"
#: Tables that change when a user signs in or opens pages.
_OWN = {"visits", "audit_events", "alembic_version"}

#: Values for the words and numbers of a path; every other part is an id.
_FITTING = {"kind": "web", "key_id": "1"}
#: Forms that change nothing. They are posted because what people paste there must not stand in an address.
_READING = {("why", "")}


def rules(app: Flask) -> list[Rule]:
    """Every rule of the console, one for each path."""
    found = [rule for rule in app.url_map.iter_rules() if rule.endpoint.split(".")[0] == "console"]
    return sorted(found, key=lambda rule: (rule.rule, rule.endpoint))


def needs() -> dict[str, str]:
    return {endpoint: scope for section in SECTIONS for endpoint, scope in section.needs().items()}


def cases(app: Flask) -> list[tuple[str, str, str]]:
    """Method, path and endpoint of every route, with fitting values in the path."""
    found = []
    for rule in rules(app):
        values = {name: _FITTING.get(name, "0198f6c1-0000-7000-8000-000000000000") for name in rule.arguments}
        with app.test_request_context():
            built = rule.build(values, append_unknown=False)
        assert built is not None, rule
        found += [(method, built[1], rule.endpoint) for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})]
    return found


def rows(setup: Setup) -> dict[str, list[Any]]:
    """All rows, without those that a sign-in writes."""
    tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
    if setup.kind == "postgresql":
        tables = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'"
    names = sorted({row.name for row in setup.sql(tables)} - _OWN)
    return {name: sorted(map(repr, setup.sql(f"SELECT * FROM {name}"))) for name in names}


@pytest.fixture
def app(quick_app: Flask) -> Flask:
    """With short caches, because one of the acts removes an API."""
    return quick_app


@pytest.fixture
def visitor(setup: Setup, app: Flask) -> Iterator[Visitor]:
    with browser(setup, app) as made:
        yield made


def query(setup: Setup) -> str:
    """The queries of the pages, for objects that exist."""
    client = setup.an_app()
    return f"?client={client.client_id}&audience={API}"


def test_every_route_of_the_console_declares_a_scope_of_administration(app: Flask):
    declared = needs()
    undeclared = {rule.endpoint for rule in rules(app)} - declared.keys() - {_START}
    assert not undeclared, "these routes have no scope, so they are closed to everybody"
    assert set(declared.values()) <= SCOPES.keys()
    for section in SECTIONS:
        for route in section.routes:
            writes = route.method != "GET" and (section.name, route.rule) not in _READING
            assert not writes or route.needs.endswith(":write"), (section.name, route.rule)


def test_every_route_is_open_with_its_scope(visitor: Visitor, setup: Setup, app: Flask):
    visitor.sign_in(an_administrator(setup))
    for method, path, endpoint in cases(app):
        if method == "GET":
            status = visitor.get(path + query(setup)).status_code
            assert status in ((303,) if endpoint == _START else (200, 303, 404)), (path, visitor.page)


def test_without_a_visit_every_route_leads_to_the_sign_in(visitor: Visitor, setup: Setup, app: Flask):
    asked = query(setup)
    before = rows(setup)
    for method, path, _ in cases(app):
        answer = visitor.get(path + asked) if method == "GET" else visitor.post(path + asked, {})
        assert answer.status_code == 303, (method, path)
        assert answer.headers["location"].startswith("/account/sign-in"), (method, path)
    assert rows(setup) == before


def test_a_user_without_a_role_of_administration_is_shown_out(visitor: Visitor, setup: Setup, app: Flask):
    visitor.sign_in(setup.a_person(roles="staff"))
    token = visitor.token_of("/account/")
    asked = query(setup)
    before = rows(setup)
    for method, path, _ in cases(app):
        form = {"csrf_token": token}
        answer = visitor.get(path + asked) if method == "GET" else visitor.post(path + asked, form)
        assert answer.status_code == 403, (method, path)
        assert "This is for administrators" in answer.text, (method, path)
        assert 'href="/account/"' in answer.text
    assert rows(setup) == before


@pytest.mark.parametrize("scope", sorted(SCOPES))
def test_all_other_scopes_do_not_open_a_route(app: Flask, setup: Setup, visitor: Visitor, scope: str):
    visitor.sign_in(an_administrator(setup, frozenset(SCOPES) - {scope}))
    assert visitor.get("/admin/").status_code == 303, "at least one page is open"
    token = visitor.token_of(visitor.follow().url.path)
    asked = query(setup)
    before = rows(setup)
    for method, path, endpoint in cases(app):
        if needs().get(endpoint) != scope:
            continue
        answer = visitor.get(path + asked) if method == "GET" else visitor.post(path + asked, {"csrf_token": token})
        assert answer.status_code == 403, (method, path)
        assert scope in answer.text, "the page says which scope is missing"
    assert rows(setup) == before


def test_an_act_without_a_form_token_or_from_elsewhere_is_refused(visitor: Visitor, setup: Setup, app: Flask):
    visitor.sign_in(an_administrator(setup))
    visitor.get("/admin/clients")
    token = visitor.token_of("/admin/clients")
    stranger = "A" * len(token)
    asked = query(setup)
    before = rows(setup)
    acts = [path for method, path, _ in cases(app) if method == "POST"]
    assert len(acts) > 5
    for path in acts:
        for form, headers in (
            ({}, {}),
            ({"csrf_token": ""}, {}),
            ({"csrf_token": stranger}, {}),
            ({"csrf_token": token}, {"Origin": "https://evil.example.com", "Sec_Fetch_Site": "cross-site"}),
            ({"csrf_token": token}, {"Origin": "null"}),
            ({"csrf_token": token}, {"Origin": "", "Sec_Fetch_Site": ""}),
            ({"csrf_token": token}, {"Origin": "http://127.0.0.1:8000.evil.example.com"}),
        ):
            answer = visitor.post(path + asked, form, **headers)
            assert answer.status_code == 403, (path, form, headers)
    assert rows(setup) == before
    for path in acts:
        assert visitor.post(path + asked, {"csrf_token": token}).status_code != 403, (path, "with a token it is heard")


@on_both_databases
def test_looking_at_every_page_changes_nothing(visitor: Visitor, setup: Setup, app: Flask):
    visitor.sign_in(an_administrator(setup))
    asked = query(setup)
    before = rows(setup)
    events = len(setup.sql("SELECT id FROM audit_events"))
    for method, path, _ in cases(app):
        if method == "GET":
            visitor.get(path + asked)
            visitor.http.head(path + asked)
    assert rows(setup) == before
    assert len(setup.sql("SELECT id FROM audit_events")) == events


def test_an_act_by_another_method_is_refused(visitor: Visitor, setup: Setup, app: Flask):
    visitor.sign_in(an_administrator(setup))
    asked = query(setup)
    before = rows(setup)
    acts = {path for method, path, _ in cases(app) if method == "POST"}
    pages = {path for method, path, _ in cases(app) if method == "GET"}
    for path in acts - pages:
        assert visitor.get(path + asked).status_code == 405, path
    assert rows(setup) == before


def test_a_role_that_is_taken_away_closes_the_console_at_once(visitor: Visitor, setup: Setup):
    person = an_administrator(setup)
    visitor.sign_in(person)
    assert visitor.get("/admin/clients").status_code == 200
    setup.sql("UPDATE users SET roles = '' WHERE username = :name", name=person.username)
    assert visitor.get("/admin/clients").status_code == 403


def test_a_binding_that_is_taken_away_closes_its_pages_at_once(visitor: Visitor, setup: Setup):
    visitor.sign_in(an_administrator(setup))
    assert visitor.get("/admin/clients").status_code == 200
    setup.sql("UPDATE scopes SET roles = 'others' WHERE scope = 'authserver:clients:read'")
    assert visitor.get("/admin/clients").status_code == 403
    assert visitor.get("/admin/apis").status_code == 200


def test_the_navigation_shows_only_what_is_open(visitor: Visitor, setup: Setup):
    visitor.sign_in(an_administrator(setup, frozenset({"authserver:apis:read"})))
    visitor.get("/admin/")
    page = visitor.follow()
    assert page.status_code == 200
    assert 'href="/admin/apis"' in page.text
    assert 'href="/admin/clients"' not in page.text
    assert 'href="/admin/apis/add"' not in page.text, "it also hides what would be refused"


def test_nobody_gives_administration_beyond_their_own(visitor: Visitor, setup: Setup):
    mine = frozenset({"authserver:clients:read", "authserver:clients:write"})
    visitor.sign_in(an_administrator(setup, mine))
    visitor.get("/admin/clients/add/service")
    own = {"name": "Helper", "client_id": "helper", "scopes": "authserver:clients:read"}
    assert (
        visitor.submit(
            "/admin/clients/add/service", {**own, "grants": "client_credentials", "auth_methods": "client_secret_basic"}
        ).status_code
        == 303
    )
    visitor.get("/admin/clients/add/service")
    beyond = {"name": "Taker", "client_id": "taker", "scopes": "authserver:users:write"}
    answer = visitor.submit(
        "/admin/clients/add/service", {**beyond, "grants": "client_credentials", "auth_methods": "client_secret_basic"}
    )
    assert answer.status_code == 403
    assert "authserver:users:write" in answer.text
    assert not setup.sql("SELECT 1 FROM clients WHERE client_id = 'taker'")
    assert AUDIENCE not in answer.text
