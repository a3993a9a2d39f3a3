"""A form that is sent after its visit has ended is not lost: it is shown after the sign-in, and sent by a click."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from flask import Flask

from tests.support.console import Elements, an_administrator, browser
from tests.support.forms import filled
from tests.support.oauth import Person
from tests.support.setup import Setup
from tests.support.visitor import Visitor, forms_of

ADD, SIGN_IN = "/admin/apis/add", "/account/sign-in"
TYPED = {"audience": "https://orders.example.com", "name": "Orders <b>", "scopes": "orders:read\r\norders:write: staff"}


@pytest.fixture
def olga(setup: Setup) -> Person:
    return an_administrator(setup)


@pytest.fixture
def admin(setup: Setup, app: Flask, olga: Person) -> Iterator[Visitor]:
    with browser(setup, app) as visitor:
        visitor.sign_in(olga)
        yield visitor


def typed(admin: Visitor, path: str = ADD, **fields: str) -> dict[str, str]:
    """A form as it was opened in time and filled in."""
    page = admin.get(path)
    assert page.status_code == 200
    return {**filled(page, path), **fields}


def expire(setup: Setup) -> None:
    setup.sql("UPDATE visits SET expires_at = 0")


def log_in(admin: Visitor, person: Person, **fields: str) -> httpx.Response:
    return admin.submit(SIGN_IN, {"login": person.username, "password": person.password, **fields})


def registered(setup: Setup) -> set[str]:
    return {row.audience for row in setup.sql("SELECT audience FROM apis")}


@pytest.mark.parametrize("cookie_is_gone", [False, True])
def test_a_form_goes_on_after_the_sign_in_and_a_click(
    admin: Visitor, olga: Person, setup: Setup, *, cookie_is_gone: bool
):
    form = typed(admin, **TYPED)
    expire(setup)
    if cookie_is_gone:
        admin.http.cookies.delete("authserver")
    before = registered(setup)
    page = admin.post(ADD, form)
    assert (page.status_code, page.headers["cache-control"]) == (403, "no-store")
    assert "your form was not sent" in page.text
    assert log_in(admin, olga, password="wrong").status_code == 403, "a mistake does not lose it either"
    shown = log_in(admin, olga)
    assert shown.status_code == 200
    assert "It was not sent" in Elements(shown.text).words
    assert "orders:write: staff" in shown.text
    assert "Orders &lt;b&gt;" in shown.text
    assert registered(setup) == before, "nothing is done before the click"
    assert admin.submit(ADD).status_code == 303
    assert registered(setup) == before | {TYPED["audience"]}
    assert [row.roles for row in setup.sql("SELECT roles FROM scopes WHERE scope = 'orders:write'")] == ["staff"]


def test_a_form_of_an_older_visit_is_shown_to_be_sent_anew(admin: Visitor, olga: Person, setup: Setup):
    """Two tabs: the form stands in one, and in the other the user signs out and in again."""
    form = typed(admin, **TYPED)
    admin.submit("/account/sign-out")
    admin.sign_in(olga)
    page = admin.post(ADD, form)
    assert page.status_code == 403
    assert TYPED["audience"] not in registered(setup)
    assert admin.submit(ADD).status_code == 303
    assert TYPED["audience"] in registered(setup)


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
     {"Origin": "", "Sec_Fetch_Site": ""}],
    ids=str,
)  # fmt: skip
def test_a_form_from_elsewhere_is_not_carried(admin: Visitor, olga: Person, setup: Setup, headers: dict[str, str]):
    form = typed(admin, **TYPED)
    expire(setup)
    assert "resend" in dict(forms_of(admin.post(ADD, form))[0].fields), "the honest form is"
    answer = admin.post(ADD, form, **headers)
    assert (answer.status_code, answer.headers["location"]) == (303, SIGN_IN)
    admin.follow()
    assert log_in(admin, olga).headers["location"] == "/account/"


def test_a_page_of_another_site_cannot_have_a_form_carried_through_the_sign_in(admin: Visitor, olga: Person):
    admin.submit("/account/sign-out") if admin.get("/account/") else None
    carried = json.dumps([ADD, list(TYPED.items())])
    admin.get(SIGN_IN)
    fields = {**dict(admin.form(SIGN_IN).fields), "login": olga.username, "password": olga.password, "resend": carried}
    assert admin.post(SIGN_IN, fields, Origin="https://evil.example").status_code == 403
    assert "authserver" not in admin.http.cookies
    assert admin.post(SIGN_IN, fields).status_code == 200


@pytest.mark.parametrize(
    "carried",
    [["https://evil.example/", []], ["//evil.example", []], ["/token", []], ["javascript:alert(1)", []], [None, []],
     ["/account/data"], ["/account/data", [["a"]]], ["/account/data", [["a", 1]]], ["/account/data", 7], {}, 7,
     ["/account/data", [["a", "x" * 10_000]]]],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_no_page_of_ours_carries_is_dropped(visitor: Visitor, person: Person, carried: Any):
    visitor.get(SIGN_IN)
    login = {"login": person.username, "password": person.password}
    answer = visitor.submit(SIGN_IN, {**login, "resend": json.dumps(carried)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/")


@pytest.mark.parametrize("text", ["", "{", "[" * 5000, "null", "\u00e9", r'["/account/data", [["a", "\ud800"]]]'])
def test_what_is_no_document_is_dropped_too(visitor: Visitor, person: Person, text: str):
    visitor.get(SIGN_IN)
    answer = visitor.submit(SIGN_IN, {"login": person.username, "password": person.password, "resend": text})
    assert answer.status_code == 303


def test_a_password_is_never_carried_and_the_page_says_so(visitor: Visitor, person: Person, setup: Setup):
    visitor.sign_in(person)
    secrets = {"old_password": person.password, "new_password": "seven herons", "repeated_password": "seven herons"}
    form = typed(visitor, "/account/password", **secrets)
    expire(setup)
    page = visitor.post("/account/password", form)
    assert page.status_code == 403
    assert "fill it in again" in page.text
    assert "resend" not in dict(forms_of(page)[0].fields)
    assert not [secret for secret in secrets.values() if secret in page.text]
    assert log_in(visitor, person).headers["location"] == "/account/password"


@pytest.mark.parametrize("letters", ["x" * 10_000, '"' * 2500, "中" * 1200])
def test_a_form_that_is_too_long_is_not_carried_and_the_page_says_so(
    admin: Visitor, olga: Person, setup: Setup, letters: str
):
    """Once a form with 3,000 quotation marks was carried, and no sign-in with it was small enough to be read."""
    form = typed(admin, **{**TYPED, "scopes": letters})
    expire(setup)
    page = admin.post(ADD, form)
    assert "fill it in again" in page.text
    assert len(page.text) < 9000
    assert log_in(admin, olga).headers["location"] == ADD


def test_a_form_gives_no_more_rights_than_the_user_who_sends_it_has(admin: Visitor, person: Person, setup: Setup):
    form = typed(admin, **TYPED)
    expire(setup)
    admin.post(ADD, form)
    assert log_in(admin, person).status_code == 200
    assert admin.submit(ADD).status_code == 403
    assert TYPED["audience"] not in registered(setup)


def test_a_sign_out_without_a_visit_needs_no_sign_in(admin: Visitor, setup: Setup):
    admin.get("/account/")
    expire(setup)
    answer = admin.submit("/account/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, SIGN_IN)
