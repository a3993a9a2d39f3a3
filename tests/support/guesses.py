"""Guesses at passwords from several addresses."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.oauth import OAuth
from tests.support.setup import Setup

#: Makes a public client that anybody can use, at an address.
From = Callable[[str], OAuth]
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
