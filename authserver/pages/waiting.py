"""Tells a person to wait: the server is busy, or there were too many wrong attempts."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response

from authserver.pages.texts import counted
from authserver.refusals.exceptions import TryLater
from authserver.refusals.public import Public

_BUSY = "Too many people are signing in just now. Nothing is wrong with your password. Try again in a moment."


def too_often(seconds: int) -> str:
    """What a page says when an attempt was not checked. The time is never too short."""
    # Whole minutes of a long time, because people do not count its seconds.
    wait = counted(seconds, "second") if seconds <= 120 else counted(-(-seconds // 60), "minute")
    return f"There were too many wrong attempts. Wait {wait}, then try again."


def asked_to_wait(page: Callable[[str], Response], later: TryLater) -> Response:
    """Make the page of a password that was not checked, with what it says: 429 after too many attempts, else 503."""
    throttled = later.reason.public is Public.THROTTLED
    response = page(too_often(later.retry_after) if throttled else _BUSY)
    response.status_code = 429 if throttled else 503
    response.headers["Retry-After"] = str(later.retry_after)
    return response
