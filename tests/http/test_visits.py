"""Sign-in to the pages and sign-out: visits, their cookie, and what ends them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from flask import Flask

from authserver.app import create_app
from authserver.settings.values import PageSettings
from tests.support.databases import on_both_databases
from tests.support.hasher import blocked_hasher, pool_of, until
from tests.support.oauth import Person
from tests.support.server import LiveServer
from tests.support.setup import Setup
from tests.support.visitor import Visitor

SIGN_IN = "/account/sign-in"


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.get("/account/").status_code == 200


def test_a_sign_in_opens_the_account(visitor: Visitor, person: Person):
    answer = visitor.sign_in(person)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/")
    page = visitor.follow()
    assert page.status_code == 200
    assert person.username in page.text


def test_an_email_address_signs_in_too(visitor: Visitor, setup: Setup):
    person = setup.a_person(email="anna@example.com")
    assert visitor.sign_in(person, login="Anna@Example.COM").status_code == 303
    assert is_signed_in(visitor)


@pytest.mark.parametrize("path", ["/account/", "/account/events", "/account/password"])
def test_a_page_without_a_visit_leads_to_the_form_and_back(visitor: Visitor, person: Person, path: str):
    answer = visitor.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{SIGN_IN}?next={path}")
    visitor.follow()
    answer = visitor.submit(SIGN_IN, {"login": person.username, "password": person.password})
    assert answer.headers["location"] == path


@on_both_databases
def test_a_sign_out_ends_the_visit(visitor: Visitor, person: Person, setup: Setup):
    visitor.sign_in(person)
    visitor.follow()
    assert visitor.submit("/account/sign-out").headers["location"] == SIGN_IN
    assert "You are signed out." in visitor.follow().text
    assert "You are signed out." not in visitor.get(SIGN_IN).text, "a message is shown once"
    assert not is_signed_in(visitor)
    assert len(setup.events("visit.opened")) == len(setup.events("visit.ended")) == 1


def test_a_signed_in_browser_is_not_asked_again(visitor: Visitor, person: Person):
    visitor.sign_in(person)
    answer = visitor.get(f"{SIGN_IN}?next=/account/data")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/data")


@on_both_databases
@pytest.mark.parametrize("column", ["last_used_at", "expires_at"])
def test_time_ends_a_visit(visitor: Visitor, person: Person, setup: Setup, column: str):
    visitor.sign_in(person)
    assert is_signed_in(visitor)
    pages = setup.settings.pages
    ago = pages.idle_timeout if column == "last_used_at" else pages.lifetime
    setup.sql(f"UPDATE visits SET {column} = {column} - :ms", ms=ago * 1000)
    assert not is_signed_in(visitor)


@on_both_databases
def test_use_keeps_a_visit_from_ending(visitor: Visitor, person: Person, setup: Setup):
    visitor.sign_in(person)
    most = (setup.settings.pages.idle_timeout - 60) * 1000
    for _ in range(3):
        setup.sql("UPDATE visits SET last_used_at = last_used_at - :ms", ms=most)
        assert is_signed_in(visitor)


@on_both_databases
@pytest.mark.parametrize(
    "change",
    ["enabled = false", "password_version = password_version + 1", "removed_at = 1"],
)
def test_a_change_of_the_user_ends_the_visit(visitor: Visitor, person: Person, setup: Setup, change: str):
    visitor.sign_in(person)
    assert is_signed_in(visitor)
    setup.sql(f"UPDATE users SET {change}")
    assert not is_signed_in(visitor)


@on_both_databases
def test_a_page_costs_one_statement_for_the_visit(visitor: Visitor, person: Person, statements: Any):
    visitor.sign_in(person)
    with statements.counted() as seen:
        assert visitor.get("/account/password").status_code == 200
    assert len(seen) == 1, seen


@on_both_databases
def test_a_use_is_written_down_at_most_once_a_minute(visitor: Visitor, person: Person, setup: Setup, statements: Any):
    visitor.sign_in(person)
    setup.sql("UPDATE visits SET last_used_at = last_used_at - 61000")
    for expected in (2, 1, 1):
        with statements.counted() as seen:
            visitor.get("/account/password")
        assert len(seen) == expected, seen


def test_the_database_has_no_secret_of_a_visit(visitor: Visitor, person: Person, setup: Setup):
    visitor.sign_in(person)
    secret = visitor.http.cookies["authserver"]
    assert len(secret) == 64
    assert secret not in str(setup.sql("SELECT * FROM visits"))


def test_refused_sign_ins_say_the_same_and_leave_an_event(visitor: Visitor, person: Person, setup: Setup):
    disabled = setup.a_person()
    setup.sql("UPDATE users SET enabled = false WHERE username = :name", name=disabled.username)
    without = setup.a_person()
    setup.sql("UPDATE users SET password_hash = NULL WHERE username = :name", name=without.username)
    pages = set()
    for login, password in [
        (person.username, "wrong password"),
        ("nobody-of-that-name", person.password),
        (disabled.username, disabled.password),
        (without.username, without.password),
        ("nobody", ""),
        (person.username, "x" * 300),
    ]:
        visitor.get(SIGN_IN)
        answer = visitor.submit(SIGN_IN, {"login": login, "password": password})
        token = dict(visitor.form(SIGN_IN).fields)["csrf_token"]
        text = answer.text.replace(token, "").replace(f'value="{login}"', "").replace("autofocus", "")
        pages.add((answer.status_code, "".join(text.split())))
        assert "authserver" not in visitor.http.cookies
    assert len(pages) == 1, "the answers must be equal"
    assert next(iter(pages))[0] == 403
    reasons = [event.detail for event in setup.events("sign_in.refused")]
    assert len(reasons) == 6
    assert not any(person.username in detail for detail in reasons)


@on_both_databases
def test_a_sign_in_under_new_settings_renews_the_hash(
    setup: Setup, person: Person, monkeypatch: pytest.MonkeyPatch, visitors: Callable[[], Visitor]
):
    costly = setup.settings.passwords.model_copy(update={"argon2_time_cost": 2})
    app = create_app(setup.with_settings(passwords=costly))
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=setup.settings.issuer) as http:
        visitor = Visitor(http, setup.settings.issuer)
        assert visitor.sign_in(person).status_code == 303
    app.extensions["authserver"].database.dispose()
    (row,) = setup.sql("SELECT password_hash FROM users")
    assert "t=2" in row.password_hash
    assert visitors().sign_in(person).status_code == 303


def test_a_full_queue_is_said_at_once_with_the_time_to_come_back(
    visitor: Visitor, person: Person, setup: Setup, app: Flask
):
    visitor.get(SIGN_IN)
    form = {**dict(visitor.form(SIGN_IN).fields), "login": person.username, "password": person.password}
    pool = pool_of(app)
    with blocked_hasher(setup) as release:
        threads = [
            threading.Thread(target=lambda: app.extensions["authserver"].hasher.verify("x" * 8, None))
            for _ in range(pool.queue)
        ]
        for thread in threads:
            thread.start()
        until(lambda: pool.waiting + pool.running >= pool.queue)
        answer = visitor.post(SIGN_IN, form)
        release()
        for thread in threads:
            thread.join()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "Nothing is wrong with your password" in answer.text
    assert visitor.submit(SIGN_IN, {"login": person.username, "password": person.password}).status_code == 303


def test_a_page_that_htmx_asks_for_sends_the_whole_browser_to_the_form(visitor: Visitor):
    answer = visitor.get("/account/", HX_Request="true")
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, SIGN_IN)


def test_a_link_on_another_site_finds_the_visit(visitor: Visitor, person: Person):
    """The browser sends no Strict cookie with a link from another site, so the page loads itself once more."""
    visitor.sign_in(person)
    cookies, visitor.http.cookies = visitor.http.cookies, httpx.Cookies()
    page = visitor.get("/account/events", Sec_Fetch_Site="cross-site")
    assert page.status_code == 200
    assert 'http-equiv="refresh"' in page.text
    visitor.http.cookies = cookies
    assert visitor.get("/account/events", Sec_Fetch_Site="same-origin").status_code == 200


@on_both_databases
def test_a_character_that_no_text_holds_is_refused(visitor: Visitor, person: Person):
    visitor.sign_in(person)
    assert visitor.get("/account/events?x=%00").status_code == 400
    visitor.get("/account/password")
    assert visitor.submit("/account/password", {"old_password": "a\0b"}).status_code == 400


def test_pages_that_are_switched_off_are_not_there(setup: Setup, person: Person):
    app = create_app(setup.with_settings(pages=PageSettings(admin=False, account=False)))
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=setup.settings.issuer) as http:
        for path in ("/account/", SIGN_IN, "/admin/", "/assets/x/pages.css"):
            answer = http.get(path)
            assert (answer.status_code, answer.json()["error"]) == (404, "invalid_request"), path
    app.extensions["authserver"].database.dispose()


def test_static_files_are_kept_for_ever_under_the_address_of_their_content(visitor: Visitor):
    page = visitor.get(SIGN_IN)
    addresses = re.findall(r'(?:href|src)="(/assets/[^"]+)"', page.text)
    assert len(addresses) >= 4
    for address in addresses:
        file = visitor.get(address)
        assert file.status_code == 200, address
        assert "immutable" in file.headers["cache-control"]
        again = visitor.get(address, If_None_Match=file.headers["etag"])
        assert again.status_code == 304
    other = visitor.get(re.sub(r"/assets/\w+/", "/assets/0123456789abcdef/", addresses[0]))
    assert (other.status_code, other.headers["cache-control"]) == (200, "no-store")
    assert visitor.get("/assets/x/../../settings.py").status_code == 404
    assert visitor.get("/assets/x/%2e%2e/%2e%2e/settings.py").status_code == 404


def test_any_worker_of_a_live_server_knows_the_visit(live: LiveServer, person: Person):
    with live.http() as http:
        visitor = Visitor(http, live.url)
        assert visitor.sign_in(person).status_code == 303
        for _ in range(10):
            assert visitor.get("/account/", Connection="close").status_code == 200
        visitor.submit("/account/sign-out")
        assert visitor.follow().status_code == 200
        assert not is_signed_in(visitor)
