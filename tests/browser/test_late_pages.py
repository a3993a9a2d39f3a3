"""The server's own pages in two tabs, and after the visit has ended, as a person meets them in Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.support.chromium import FOREIGN_HOST, violations
from tests.support.console import an_administrator
from tests.support.driving import PageDriver, fill_in, sign_in
from tests.support.server import LiveServer
from tests.support.watched_page import overflow

AUDIENCE = "https://late.example.com"
NewContext = Callable[..., BrowserContext]


def test_both_of_two_tabs_sign_in(server: LiveServer, new_context: NewContext):
    person = server.setup.a_person()
    context = new_context()
    first, second = context.new_page(), context.new_page()
    for tab in (first, second):
        tab.goto(f"{server.url}/account/")
    for tab in (first, second):
        fill_in(tab, person)
        tab.wait_for_url(f"{server.url}/account/")
    # The first tab's page belongs to the visit that the second tab has replaced.
    first.get_by_role("button", name="Sign out").click()
    first.get_by_role("button", name="Send it now").click()
    expect(first.get_by_text("You are signed out.")).to_be_visible()


def test_a_tab_that_a_link_on_another_site_opens_leaves_the_first_tab_its_form(
    server: LiveServer, new_context: NewContext
):
    person = server.setup.a_person()
    context = new_context()
    first, second = context.new_page(), context.new_page()
    first.goto(f"{server.url}/account/")
    link = f'<a href="{server.url}/account/sign-in">Your account</a>'
    second.route(f"http://{FOREIGN_HOST}/", lambda route: route.fulfill(body=link, content_type="text/html"))
    second.goto(f"http://{FOREIGN_HOST}/")
    second.get_by_role("link").click()
    expect(second.get_by_role("heading", name="Sign in")).to_be_visible()
    fill_in(first, person)
    first.wait_for_url(f"{server.url}/account/")
    fill_in(second, person)
    second.wait_for_url(f"{server.url}/account/")


def test_a_form_that_was_typed_too_long_is_sent_after_the_sign_in(server: LiveServer, new_context: NewContext):
    person = an_administrator(server.setup)
    for look in ("light", "phone"):
        audience = f"{AUDIENCE}/{look}"
        page = new_context(look).new_page()
        sign_in(page, server.url, person, to="/admin/apis/add")
        driver = PageDriver(page, server.url)
        driver.fill(
            Audience=audience, Name="Late" + "r" * 60, Scopes_and_their_roles=f"late:{look}\nlate:{look}:write: staff"
        )
        server.setup.sql("UPDATE visits SET last_used_at = 0")
        driver.press("Register")
        expect(page.get_by_role("alert")).to_contain_text("your form was not sent")
        _is_good(page)
        fill_in(page, person)
        expect(page.get_by_role("heading", name="Send your form?")).to_be_visible()
        expect(page.get_by_text(audience)).to_be_visible()
        _is_good(page)
        driver.press("Send it now")
        expect(page.get_by_text(re.compile("Registered Late"))).to_be_visible()
        assert re.search(r"/admin/apis/show\?audience=", page.url)


def _is_good(page: Page) -> None:
    assert violations(page) == []
    assert overflow(page) == []
