"""The example page, as people use it: by keyboard, in the dark, on a phone, in several tabs and browsers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import LOOKS
from tests.support.chromium import violations
from tests.support.oauth import Person
from tests.support.site import Site

NewContext = Callable[..., BrowserContext]


@pytest.mark.parametrize("look", LOOKS)
def test_the_example_page_serves_every_look_and_needs_no_mouse(site: Site, new_context: NewContext, look: str):
    person = site.setup.a_person()
    page = _open(site, new_context(look, ignore_https_errors=True))
    _is_well_made(page)
    _sign_in(page, Person(person.id, person.username, "not the password"))
    expect(page.get_by_role("alert")).to_have_text("User name or password is wrong.")
    _is_well_made(page)
    _sign_in(page, person)
    expect(page.get_by_role("heading", name="Your profile")).to_be_focused()
    expect(page.locator("#sessions li")).to_have_count(1)
    expect(page.locator("#profile")).to_contain_text(person.id)
    _is_well_made(page)
    page.keyboard.press("Tab")
    page.keyboard.type("Ada")
    page.keyboard.press("Enter")
    expect(page.locator("#profile")).to_contain_text(f"Ada (user {person.id})")
    page.get_by_role("button", name="Sign out", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("User name or e-mail address")).to_be_focused()
    assert person.id not in page.content()


def test_the_example_page_shows_every_device_and_signs_the_others_out(site: Site, new_context: NewContext):
    person = site.setup.a_person()
    here = _open(site, new_context(ignore_https_errors=True))
    there = _open(site, new_context("phone", ignore_https_errors=True))
    for page in (there, here):
        _sign_in(page, person)
        expect(page.locator("#signed-in")).to_be_visible()
    also_here = _open(site, here.context)
    expect(also_here.locator("#sessions li")).to_have_count(2)
    expect(also_here.locator("#sessions")).to_contain_text("Example app (this browser)")
    also_here.get_by_role("button", name="Sign out there").click()
    expect(also_here.locator("#sessions li")).to_have_count(1)
    there.reload()
    expect(there.locator("#who")).to_have_text("You are not signed in.")
    expect(here.locator("#who")).to_have_text("You are signed in.")


def _open(site: Site, context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto(site.app)
    expect(page.locator("#who")).not_to_contain_text("Looking")
    return page


def _sign_in(page: Page, person: Person) -> None:
    expect(page.get_by_role("button", name="Sign in")).to_be_enabled()
    page.get_by_label("User name or e-mail address").fill("")
    page.keyboard.type(person.username)
    page.keyboard.press("Tab")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(person.password)
    page.keyboard.press("Enter")


def _is_well_made(page: Page) -> None:
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
