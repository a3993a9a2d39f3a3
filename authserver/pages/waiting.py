"""Tells a person to wait: the server is busy, or there were too many wrong attempts."""

from __future__ import annotations

from flask import Response

from authserver.pages.texts import counted
from authserver.refusals.exceptions import TryLater
from authserver.refusals.public import Public


def too_often(seconds: int) -> str:
    """What a page says when an attempt was not checked. The time is never too short."""
    # Whole minutes of a long time, because people do not count its seconds.
    wait = counted(seconds, "second") if seconds <= 120 else counted(-(-seconds // 60), "minute")
    return f"There were too many wrong attempts. Wait {wait}, then try again."


def asked_to_wait(response: Response, later: TryLater) -> Response:
    """The page of an act that was put off: 429 after too many attempts, else 503, with the seconds to wait."""
    response.status_code = 429 if later.reason.public is Public.THROTTLED else 503
    response.headers["Retry-After"] = str(later.retry_after)
    return response
