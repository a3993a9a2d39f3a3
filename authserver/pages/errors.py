"""Errors in the form that fits the path: a page below /account/ and /admin/, JSON elsewhere.

One app has one error handler for all routes, and a path without a route has no blueprint. So the path decides.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus

import structlog
from flask import Response, request
from werkzeug.exceptions import BadHost, HTTPException

from authserver.database.failures import Unavailable
from authserver.pages.pages import Pages, render
from authserver.pages.waiting import asked_to_wait
from authserver.passwords.hasher import HashingOverloaded
from authserver.refusals.reasons import Reason
from authserver.refusals.references import References, Refusal
from authserver.throttling.throttle import Throttled

_log = structlog.get_logger("authserver.errors")

#: Seconds that a browser should wait while the database does not answer.
_DATABASE_RETRY_AFTER = 5

_TEXTS = {
    400: ("This request cannot be read", "The address or the form is damaged. Go back and try again."),
    403: ("That is not allowed", ""),
    404: ("There is no such page", "The address is wrong, or what it showed was removed."),
    405: ("That is not how this page is used", "Go back, load the page again, and use its own buttons."),
    412: ("Somebody else changed this meanwhile", "Nothing was saved. Go back, load the page again, and look first."),
    413: ("That is too large", "The form or file is larger than the server takes. Send less at once."),
}
_OTHER = ("That did not work", "Go back and try again.")

Answer = Callable[[Exception], Response]


class ErrorForms:
    """Which function answers errors at which paths. The longest prefix counts."""

    def __init__(self) -> None:
        self._answers: dict[str, Answer] = {}

    def add(self, prefix: str, answer: Answer) -> None:
        """Let this function answer errors at this path and below it."""
        self._answers[prefix.rstrip("/")] = answer

    def answer(self, error: Exception) -> Response | None:
        """The response to an error of the present request; None if no prefix has its path, or its Host is impossible.

        Flask finds no routes for such a request, so a page could not link to anything.
        """
        if isinstance(error, BadHost):
            return None
        path = request.path
        found = [prefix for prefix in self._answers if path == prefix or path.startswith(f"{prefix}/")]
        return self._answers[max(found, key=len)](error) if found else None


class ErrorPages:
    """Turns errors into pages. They do not read the database, because it may have failed."""

    def __init__(self, pages: Pages, references: References) -> None:
        self._pages = pages
        self._references = references

    def __call__(self, error: Exception) -> Response:
        if isinstance(error, Unavailable):
            return self._try_later("The database does not answer just now.", _DATABASE_RETRY_AFTER)
        if isinstance(error, Throttled):
            return asked_to_wait(lambda said: self._page(429, "Please wait", f"{said} Nothing was changed."), error)
        if isinstance(error, HashingOverloaded):
            return self._try_later("Too many passwords are being checked just now.", error.retry_after)
        if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
            return self._refused(error, error.code)
        return self._failed(error)

    def _refused(self, error: HTTPException, status: int) -> Response:
        title, text = _TEXTS.get(status, _OTHER)
        # Show the text of the view, but not werkzeug's default text: that is for developers.
        said = error.description if error.description != type(error).description else None
        response = self._page(status, title, said or text)
        if status == 405:
            response.headers.extend([header for header in error.get_headers() if header[0] == "Allow"])
        return response

    def _try_later(self, text: str, seconds: int) -> Response:
        response = self._page(503, "Please try again in a moment", f"{text} Nothing was changed.")
        response.headers["Retry-After"] = str(seconds)
        return response

    def _failed(self, error: Exception) -> Response:
        reference = self._references.seal(Refusal(Reason.INTERNAL, time.time_ns() // 1_000_000))
        _log.error("failed", reference=reference, exc_info=error)
        text = "The server failed. Its log says why, under this reference:"
        return self._page(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong", text, reference)

    def _page(self, status: int, title: str, text: str, reference: str | None = None) -> Response:
        page = render("pages/error.html", status, heading=title, text=text, reference=reference)
        return self._pages.dress(page)
