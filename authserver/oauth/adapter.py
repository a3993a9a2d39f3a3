"""Serves the endpoints with Flask, and answers errors outside of them. No other file of this room knows Flask.

Other rooms have their own form for errors below their paths. They are asked first (`pages/errors`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from authserver.database.failures import Unavailable
from authserver.oauth.endpoints.base import Context, Endpoint
from authserver.oauth.messages import Answer, HttpRequest
from authserver.oauth.server import OAuthServer
from authserver.pages.errors import ErrorForms
from authserver.refusals.exceptions import Refused, TryLater
from authserver.refusals.reasons import Reason
from authserver.urls import path_of
from authserver.web_apps import cors

View = Callable[..., Response]


def register(app: Flask, context: Context) -> None:
    """Serve every endpoint at its address under the issuer, and answer preflights if pages may call it."""
    prefix = path_of(context.issuer)
    for endpoint in context.endpoints:
        rule, methods = endpoint.rule(prefix), list(endpoint.methods)
        app.add_url_rule(
            rule,
            endpoint.name,
            _view(context, endpoint),
            methods=methods,
            provide_automatic_options=endpoint.cross_origin is None,
        )
        if endpoint.cross_origin is not None:
            app.add_url_rule(rule, f"{endpoint.name}.preflight", _preflight(context, endpoint), methods=["OPTIONS"])


def register_errors(app: Flask, server: OAuthServer, elsewhere: ErrorForms) -> None:
    """Answer every error outside of the endpoints with OAuth's error JSON, never with a traceback."""

    def unless_elsewhere(answer: Callable[[Any], Answer]) -> View:
        @wraps(answer)
        def chosen(error: Exception) -> Response:
            return elsewhere.answer(error) or _response(answer(error))

        return chosen

    def http_error(error: HTTPException) -> Answer:
        # A 405 names the methods that are allowed.
        return server.http_error(error.code or 500, [field for field in error.get_headers() if field[0] == "Allow"])

    app.register_error_handler(HTTPException, unless_elsewhere(http_error))
    for kind in (TryLater, *Unavailable):
        app.register_error_handler(kind, unless_elsewhere(server.unavailable))
    app.register_error_handler(Exception, unless_elsewhere(server.failed))


def _view(context: Context, endpoint: Endpoint) -> View:
    database = context.server.services.database

    def view(**path_arguments: Any) -> Response:
        with database.within():  # all its waits for the database together
            return _response(endpoint.answer(context, _request(path_arguments)))

    return view


def _preflight(context: Context, endpoint: Endpoint) -> View:
    def preflight(**_path_arguments: Any) -> Response:
        asked = cors.Preflight(endpoint.methods, context.request_headers)
        if endpoint.cross_origin == "any":
            headers = asked.for_all()
        else:
            headers = asked.for_registered(request.headers.get("Origin"), context.server.services.clients)
        return _response(Answer(204, "", headers))

    return preflight


def _request(path_arguments: Mapping[str, Any]) -> HttpRequest:
    asked = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy costs a look each time
    return HttpRequest(
        method=asked.method,
        path=asked.path,
        query=asked.query_string.decode("utf-8", "replace"),
        fields=asked.headers,
        read_body=_read_body,
        remote_address=asked.remote_addr,
        path_arguments=path_arguments,
    )


def _read_body() -> bytes:
    try:
        return request.get_data(cache=False)
    except HTTPException as error:
        reason = Reason.BODY_TOO_LARGE if error.code == 413 else Reason.MALFORMED_REQUEST
        raise Refused(reason, detail=f"the body could not be read: {error.name}") from error


class _Response(Response):
    default_mimetype = None  # an answer without a body has no media type


def _response(answer: Answer) -> Response:
    return _Response(answer.body, answer.status, answer.headers)
