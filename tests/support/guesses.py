"""Guesses at passwords from several addresses, their users' browsers, and the codes that let users in beside guesses."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.support.oauth import OAuth, Person
from tests.support.setup import Setup
from tests.support.visitor import Visitor

#: Makes a public client that anybody can use, at an address.
From = Callable[[str], OAuth]
#: Makes a browser with cookies of its own, at an address.
Browsers = Callable[[str], Visitor]
#: The page where users make their sign-in codes.
CODES = "/account/new-device"
#: Guesses from one place that have no delay.
FREE = 10
#: Three places. Tests take the first one for the user's own.
HOME, ELSEWHERE, NEW = "192.0.2.1", "198.51.100.1", "203.0.113.1"


def statuses(oauth: OAuth, username: str, count: int) -> list[int]:
    """What that many guesses are answered."""
    form = {"grant_type": "password", "username": username, "password": "wrong password"}
    return [oauth.token(**form).status_code for _ in range(count)]


def fill(setup: Setup, *, kinds: str = "3, 4, 5, 6") -> None:
    """Let the delays of what was charged outlast the test, however slow the machine is."""
    setup.sql(f"UPDATE throttle_buckets SET empty_at = empty_at + 20 * 900000 WHERE empty_at > 0 AND kind IN ({kinds})")


def attack(setup: Setup, from_address: From, person: Person) -> None:
    """A hundred failures of strangers in a row."""
    assert statuses(from_address("100.64.1.1"), person.username, 1) == [400]
    setup.sql("UPDATE throttle_strangers SET failures = failures + 99 WHERE failures = 1")


def code_made_with(browser: Visitor) -> str:
    """A sign-in code, made in a browser whose user is signed in."""
    browser.get(CODES)
    page = browser.submit(CODES).text
    (code,) = re.findall(r'<code id="sign-in-code">([^<]+)</code>', page)
    assert "It works once" in page
    return str(code)
