"""The admin API under /admin/api: the use cases over HTTP, for programs that have this server's own access tokens."""

from __future__ import annotations

import re

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException

from authserver.admin_api.dispatch import AdminApi
from authserver.admin_api.problems import NOT_FOUND, WRONG_METHOD, Problem
from authserver.admin_api.route import PREFIX
from authserver.admin_api.routes import ROUTES
from authserver.pages.errors import ErrorForms
from authserver.urls import path_of


def large_bodies(issuer: str) -> dict[str, int]:
    """The paths whose requests may be larger than others, and the bytes that they may have."""
    prefix = path_of(issuer) + PREFIX
    return {prefix + route.path: route.max_body_bytes for route in ROUTES if route.max_body_bytes}


def register(app: Flask, api: AdminApi, errors: ErrorForms) -> None:
    """Add every route of the table, and the answer to any other request below /admin/api."""

    def answer(error: Exception) -> Response:
        unrouted = isinstance(error, HTTPException) and (error.code or 500) < 500
        return api.answer(_unrouted(prefix) if unrouted else error)

    prefix = path_of(api.settings.issuer) + PREFIX
    errors.add(prefix, answer)
    app.register_blueprint(Blueprint("admin_api", __name__, template_folder="templates"))
    for route in ROUTES:
        app.add_url_rule(
            prefix + route.rule,
            f"admin.api.{route.operation_id}",
            api.view(route),
            methods=[route.method],
            provide_automatic_options=False,
            merge_slashes=False,
            strict_slashes=True,
        )


def _unrouted(prefix: str) -> Problem:
    path = request.path.removeprefix(prefix)
    # /users/import is in the table itself, so it is not the user with the id `import`.
    routes = [route for route in ROUTES if route.path == path] or [
        route for route in ROUTES if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), path)
    ]
    allowed: set[str] = {route.method for route in routes}
    if "GET" in allowed:
        allowed.add("HEAD")
    if allowed and request.method not in allowed:
        listed = ", ".join(sorted(allowed))
        return Problem(WRONG_METHOD, f"It takes {listed}.", headers={"Allow": listed})
    return Problem(NOT_FOUND, f"There is no such address; see {prefix}/docs.")
