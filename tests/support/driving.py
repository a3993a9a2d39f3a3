"""Drives a Chromium through the pages as a person does: by the words on fields, links and buttons."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from playwright.sync_api import Page, expect

from tests.support.oauth import Person


def sign_in(page: Page, url: str, person: Person, *, to: str = "/account/") -> None:
    """Open a page, and sign in on the way to it."""
    answer = page.goto(url + to)
    assert answer is not None
    assert answer.status == 200, answer
    fill_in(page, person)
    page.wait_for_url(re.compile(re.escape(url + to.rstrip("/")) + "(/|$)"))


def fill_in(page: Page, person: Person) -> None:
    """Send the form of the sign-in page, which is open."""
    page.get_by_label("User name or e-mail address").fill(person.username)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()


@dataclass(frozen=True)
class PageDriver:
    """Finds elements by their words. Each step waits until its element is there."""

    page: Page
    url: str

    def open(self, path: str) -> None:
        answer = self.page.goto(self.url + path)
        assert answer is not None
        assert answer.status == 200, (path, answer.status)

    def section(self, name: str) -> None:
        """Follow a link of the console's navigation."""
        self.page.get_by_role("navigation", name="Administration").get_by_role("link", name=name, exact=True).click()

    def follow(self, text: str) -> None:
        """Follow a link; some have the role of a button."""
        main = self.page.get_by_role("main")
        link, button = (main.get_by_role(role, name=text, exact=True) for role in ("link", "button"))
        link.or_(button).first.click()

    def fill(self, **fields: str) -> None:
        """Fill fields by their labels, words with `_` between."""
        for label, text in fields.items():
            self.page.get_by_label(label.replace("_", " "), exact=True).fill(text)

    def press(self, text: str) -> None:
        self.page.get_by_role("main").get_by_role("button", name=text, exact=True).first.click()

    def press_and_confirm(self, text: str) -> None:
        """Press a button that asks once more, and say yes."""
        self.press(text)
        self.page.get_by_role("dialog").get_by_role("button", name=text, exact=True).click()

    def sees(self, text: str) -> None:
        expect(self.page.get_by_role("main").get_by_text(text).first).to_be_visible()

    def sees_at_last(self, text: str) -> None:
        """Load the page anew until it shows the text: some things are recorded a little later."""
        deadline = time.monotonic() + 60
        while not self.page.get_by_role("main").get_by_text(text).count():
            assert time.monotonic() < deadline, f"the page never said: {text}"
            self.page.wait_for_timeout(500)
            self.page.reload()

    def heading(self, text: str) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text(text)

    def copied(self, button: str) -> str:
        """What a button puts on the clipboard."""
        self.press(button)
        self.page.wait_for_function("() => document.body.innerText.includes('Copied')")
        return str(self.page.evaluate("() => navigator.clipboard.readText()"))

    def code(self, title: str) -> str:
        """The ready-to-paste code under a heading."""
        shown = self.page.locator("details", has=self.page.get_by_text(title, exact=True))
        if shown.get_attribute("open") is None:
            shown.locator("summary").click()
        return shown.locator("code").inner_text()
