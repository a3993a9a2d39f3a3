"""The Flask error handlers: whatever goes wrong is answered with OAuth's error JSON, never with a traceback.

Other parts have a form of their own for what goes wrong below their paths: they are asked first (`pages/errors`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import structlog
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from authserver.database.engine import Unavailable
from authserver.oauth.errors import RefusedRequest
from authserver.oauth.server import OAuthServer
from authserver.pages.errors import ErrorForms

_log = structlog.get_logger("authserver.errors")


def register(app: Flask, server: OAuthServer, elsewhere: ErrorForms) -> None:
    """Add the handlers to the app."""

    def unless_elsewhere(handler: Callable[[Any], Response]) -> Callable[[Any], Response]:
        @wraps(handler)
        def chosen(error: Exception) -> Response:
            return elsewhere.answer(error) or handler(error)

        return chosen

    def refused(error: RefusedRequest) -> Response:
        return server.handle_error(error)

    def not_ours(error: HTTPException) -> Response:
        """404, 405 and their like: the protocol's form, with the headers of the error (405 names what is allowed)."""
        status = error.code or 500
        body = {"error": "invalid_request", "error_description": f"{error.name}."}
        headers = [(name, value) for name, value in error.get_headers() if name.lower() == "allow"]
        return server.handle_response(status, body, headers)

    def unavailable(error: Exception) -> Response:
        return server.handle_error(server.refusals.unavailable(error))

    def failed(error: Exception) -> Response:
        answer = server.refusals.unexpected()
        _log.error("failed", reference=answer.reference, exc_info=error)
        return server.handle_error(answer)

    app.register_error_handler(RefusedRequest, refused)
    app.register_error_handler(HTTPException, unless_elsewhere(not_ours))
    for kind in Unavailable:
        app.register_error_handler(kind, unless_elsewhere(unavailable))
    app.register_error_handler(Exception, unless_elsewhere(failed))
