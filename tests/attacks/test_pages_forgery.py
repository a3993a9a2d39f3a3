"""Attacks on the pages by forged forms, planted cookies, frames, redirects and markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from flask import Flask

from authserver.administration import password_links
from authserver.administration.context import Administration
from authserver.app import create_app
from tests.support.oauth import OAuth, Person
from tests.support.setup import Setup
from tests.support.visitor import Visitor

# A form is refused before any statement that differs between databases.
SIGN_IN = "/account/sign-in"
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:9999"},
    {"Origin": "http://127.0.0.1:8000.evil.example"},
    {"Origin": "https://127.0.0.1:8000"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Origin": "", "Sec_Fetch_Site": ""},
    {"Origin": "", "Sec_Fetch_Site": "cross-site"},
    {"Origin": "", "Sec_Fetch_Site": "none"},
]
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'"


@contextmanager
def behind_https(setup: Setup) -> Iterator[Visitor]:
    """A browser of a server whose issuer is https."""
    issuer = "https://id.example.com"
    app = create_app(setup.with_settings(issuer=issuer))
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=issuer) as http:
        yield Visitor(http, issuer)
    app.extensions["authserver"].database.dispose()


def forms_that_change_something(visitor: Visitor, person: Person) -> Iterator[tuple[str, dict[str, str]]]:
    """Each act of a visitor, with the honest form for it."""
    visitor.http.cookies.clear()
    visitor.sign_in(person)
    visitor.get("/account/")
    token = {"csrf_token": dict(visitor.form("/account/sign-out").fields)["csrf_token"]}
    yield "/account/sessions/end-others", token
    yield "/account/data", token
    new = {"new_password": "another password", "repeated_password": "another password"}
    yield "/account/password", {**token, "old_password": person.password, **new}


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_form_from_elsewhere_changes_nothing(visitor: Visitor, person: Person, headers: dict[str, str]):
    for path, form in forms_that_change_something(visitor, person):
        assert visitor.post(path, form, **headers).status_code == 403, path
    for path, form in forms_that_change_something(visitor, person):
        assert visitor.post(path, form).status_code in (200, 303), path


def test_a_form_without_the_token_of_this_visit_changes_nothing(
    visitors: Callable[[], Visitor], person: Person, setup: Setup
):
    visitor, thief = visitors(), visitors()
    before = thief.token()  # of a browser that is not signed in
    thief.sign_in(setup.a_person())
    thief.follow()
    foreign = dict(thief.form("/account/sign-out").fields)["csrf_token"]
    for path, form in forms_that_change_something(visitor, person):
        own = form["csrf_token"]
        altered = own[:-2] + ("AA" if own[-2:] != "AA" else "BB")
        for token in ("", foreign, before, altered, own[:-4], own + "AAAA", own + "=", "é", "x" * 10_000):
            assert visitor.post(path, {**form, "csrf_token": token}).status_code == 403, path
        assert visitor.post(path, {n: v for n, v in form.items() if n != "csrf_token"}).status_code == 403
        assert visitor.post(path, form).status_code in (200, 303), path


def test_the_header_of_scripts_counts_as_the_token(visitor: Visitor, person: Person):
    visitor.sign_in(person)
    visitor.get("/account/")
    token = dict(visitor.form("/account/sign-out").fields)["csrf_token"]
    assert visitor.post("/account/sessions/end-others", {}, X_CSRF_Token="nonsense").status_code == 403
    assert visitor.post("/account/sessions/end-others", {}, X_CSRF_Token=token).status_code == 303


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_nobody_signs_a_browser_in_from_elsewhere(visitor: Visitor, person: Person, headers: dict[str, str]):
    visitor.get(SIGN_IN)
    form = {**dict(visitor.form(SIGN_IN).fields), "login": person.username, "password": person.password}
    assert visitor.post(SIGN_IN, form, **headers).status_code == 403
    assert "authserver" not in visitor.http.cookies
    assert visitor.post(SIGN_IN, form).status_code == 303


def test_nobody_signs_a_browser_in_with_a_form_of_another(visitors: Callable[[], Visitor], person: Person):
    victim, thief = visitors(), visitors()
    credentials = {"login": person.username, "password": person.password}
    theirs = thief.token()
    assert victim.post(SIGN_IN, {**credentials, "csrf_token": theirs}).status_code == 403
    own = victim.token()
    assert victim.post(SIGN_IN, {**credentials, "csrf_token": theirs}).status_code == 403
    assert victim.post(SIGN_IN, {**credentials, "csrf_token": own}).status_code == 303


def test_a_planted_cookie_is_never_adopted(visitors: Callable[[], Visitor], person: Person, setup: Setup):
    thief, victim = visitors(), visitors()
    thief.sign_in(setup.a_person())
    planted = thief.http.cookies["authserver"]
    victim.http.cookies.set("authserver", planted, domain="127.0.0.1", path="/")
    victim.http.cookies.set("authserver-form", "A" * 43, domain="127.0.0.1", path="/")
    # The page tells the victim whose account it shows. A new sign-in opens another visit.
    victim.get("/account/")
    victim.submit("/account/sign-out")
    victim.sign_in(person)
    assert victim.http.cookies["authserver"] != planted
    assert victim.get("/account/").status_code == 200
    assert thief.get("/account/").status_code == 303, "and the planted one is worth nothing"


@pytest.mark.parametrize("value", ["", "x", "A" * 64, "%C3%A9" * 16, "A" * 5000, "=" * 64, "../../etc"])
def test_a_made_up_cookie_signs_nobody_in(visitor: Visitor, person: Person, value: str):
    visitor.sign_in(person)
    assert visitor.get("/account/").status_code == 200
    visitor.http.cookies.clear()
    sent = f"authserver={value}".encode()
    answer = visitor.http.get("/account/", headers=[(b"Cookie", sent)])
    assert answer.status_code == 303


def test_the_right_id_with_another_secret_signs_nobody_in(visitor: Visitor, person: Person):
    visitor.sign_in(person)
    right = visitor.http.cookies["authserver"]
    wrong = right[:-2] + ("AA" if right[-2:] != "AA" else "BB")
    visitor.http.cookies.clear()
    assert visitor.get("/account/", Cookie=f"authserver={wrong}").status_code == 303
    assert visitor.get("/account/", Cookie=f"authserver={right}").status_code == 200


def test_two_cookies_of_one_name_count_as_none(visitors: Callable[[], Visitor], person: Person, setup: Setup):
    honest, thief = visitors(), visitors()
    honest.sign_in(person)
    thief.sign_in(setup.a_person())
    own, planted = (who.http.cookies["authserver"] for who in (honest, thief))
    honest.http.cookies.clear()
    assert honest.get("/account/", Cookie=f"authserver={own}").status_code == 200
    for pair in (f"authserver={planted}; authserver={own}", f"authserver={own}; authserver={planted}"):
        assert honest.get("/account/", Cookie=pair).status_code == 303


def test_a_cookie_is_worth_nothing_after_signing_out(visitor: Visitor, person: Person):
    visitor.sign_in(person)
    stolen = visitor.http.cookies["authserver"]
    visitor.follow()
    visitor.submit("/account/sign-out")
    visitor.http.cookies.clear()
    assert visitor.get("/account/", Cookie=f"authserver={stolen}").status_code == 303


def test_cookies_of_an_https_server_are_for_this_host_alone(setup: Setup, person: Person):
    with behind_https(setup) as visitor:
        answer = visitor.sign_in(person)
        assert answer.status_code == 303
        (cookie,) = [c for c in answer.headers.get_list("set-cookie") if c.startswith("__Host-authserver=")]
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert attributes == {"secure", "httponly", "path=/", "samesite=strict"}
        form = visitor.http.get(SIGN_IN, headers={"Cookie": ""}).headers["set-cookie"]
        assert form.startswith("__Host-authserver-form=")
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= {part.strip().lower() for part in form.split(";")}
        assert visitor.get("/account/").status_code == 200
        value = visitor.http.cookies["__Host-authserver"]
        visitor.http.cookies.clear()
        assert visitor.get("/account/", Cookie=f"authserver={value}").status_code == 303, "without the prefix"


def test_cookies_on_loopback_are_kept_from_scripts_and_other_sites(visitor: Visitor, person: Person):
    answer = visitor.sign_in(person)
    (cookie,) = [c for c in answer.headers.get_list("set-cookie") if c.startswith("authserver=")]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert attributes == {"httponly", "path=/", "samesite=strict"}


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example/", "http:evil.example",
        "javascript:alert(1)", "/account/..//evil.example", "/account//evil.example", "/%2f%2fevil.example",
        "/account/%2e%2e/evil", "/account/%5cevil", "/account/\t//evil", "/account/\r\nX-Evil: 1", "/\n/evil.example",
        "account/", "", "/token", "/accountevil", "/account@evil.example", "/account/\u0000", "/account/%zz",
        "https://127.0.0.1:8000/account/", "/account/#@evil", "/account/" + "x" * 3000,
    ],
)  # fmt: skip
def test_a_sign_in_leads_to_no_other_place(visitor: Visitor, person: Person, address: str):
    visitor.get("/account/sign-in?next=/account/events%3Fx=1")
    honest = visitor.submit(SIGN_IN, {"login": person.username, "password": person.password})
    assert honest.headers["location"] == "/account/events?x=1"
    visitor.http.cookies.clear()
    page = visitor.http.get(SIGN_IN, params={"next": address})
    if page.status_code == 200:
        assert "evil" not in page.text
        visitor.page = page
        answer = visitor.submit(SIGN_IN, {"login": person.username, "password": person.password, "next": address})
        if answer.status_code == 303:
            assert answer.headers["location"] == "/account/"
            assert "x-evil" not in answer.headers
            return
        assert answer.status_code == 400
        return
    assert page.status_code == 400


def test_the_host_header_gets_into_no_page(visitor: Visitor, person: Person, setup: Setup):
    visitor.sign_in(person)
    paths = [
        SIGN_IN,
        "/account",
        "/account/",
        "/account/events",
        "/account//events",
        "/account/events/",
        "/admin",
        "/nothing",
    ]
    link = password_links.issue(Administration(setup.database, setup.settings, "cli:tester"), person.username).url
    assert link.startswith(setup.settings.issuer + "/account/password/")
    for path in [*paths, link.removeprefix(setup.settings.issuer)]:
        answer = visitor.get(path, Host="evil.example", X_Forwarded_Host="evil.example")
        assert "evil.example" not in answer.text + str(answer.headers), path
        assert answer.status_code < 500


def pages_of(app: Flask) -> list[str]:
    """Every address below /account and /admin that answers GET, from the app's own routes."""
    known = {"secret": "x", "session_id": "0" * 32, "visit_id": "0" * 32}
    found = []
    for rule in app.url_map.iter_rules():
        if re.match(r"/(account|admin)(/|$)", rule.rule) and "GET" in (rule.methods or ()) and "/api" not in rule.rule:
            path = re.sub(r"<(?:[^<>:]+:)?([^<>]+)>", lambda match: known.get(match[1], "0" * 32), rule.rule)
            found.append(path)
    return found


def test_no_page_can_be_framed_cached_or_run_foreign_script(visitor: Visitor, app: Flask, setup: Setup):
    administrator = setup.a_person(roles="administrator")
    addresses = pages_of(app)
    assert len(addresses) >= 6
    for signed_in in (False, True):
        if signed_in:
            visitor.sign_in(administrator)
        for path in [*addresses, "/account/nothing", "/admin/nothing"]:
            answer = visitor.get(path)
            assert answer.status_code < 500, path
            policy = answer.headers["content-security-policy"]
            for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
                assert rule in policy, path
            assert "unsafe" not in policy
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store", path
            assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|javascript:", answer.text), path


def test_markup_in_names_is_text_on_every_page(visitor: Visitor, oauth: OAuth, setup: Setup, app: Flask):
    name = "<b>anna</b><script>x</script>"
    person = setup.a_person(username=name)
    setup.sql("UPDATE clients SET name = :name", name=MARKUP)
    oauth.headers["User-Agent"] = MARKUP
    assert oauth.sign_in(person, device_name=MARKUP).status_code == 200
    visitor.http.headers["User-Agent"] = MARKUP
    visitor.sign_in(person, login=name, password="wrong one")
    assert "&lt;b&gt;anna" in visitor.page.text  # type: ignore[union-attr]
    visitor.sign_in(person)
    link = password_links.issue(Administration(setup.database, setup.settings, "cli:tester"), name)
    shown = 0
    for path in [*pages_of(app), link.url.removeprefix(setup.settings.issuer)]:
        page = visitor.get(path)
        for raw in ("<script>", "<b>", "<img"):
            assert raw not in page.text, path
        shown += "&lt;b&gt;anna" in page.text
    assert shown >= 4


def test_a_sign_in_page_answers_no_foreign_method_or_query(visitor: Visitor, person: Person):
    """Credentials in an address would stand in logs and histories."""
    answer = visitor.http.get(SIGN_IN, params={"login": person.username, "password": person.password})
    assert answer.status_code == 200
    assert "authserver=" not in answer.headers.get("set-cookie", "")
    token = visitor.token()
    query = {"login": person.username, "password": person.password, "csrf_token": token}
    headers = {"Origin": visitor.origin}
    assert visitor.http.post(SIGN_IN, params=query, headers=headers).status_code == 403
    assert visitor.http.post(SIGN_IN, data=query, headers=headers).status_code == 303
