"""The admin API under /admin/api: the use cases over HTTP, for programs, with access tokens of this server itself."""

from __future__ import annotations

import re

from flask import Blueprint, Flask, Response, request

from authserver.admin_api.dispatch import AdminApi
from authserver.admin_api.problems import NOT_FOUND, WRONG_METHOD, Problem
from authserver.admin_api.route import PREFIX
from authserver.admin_api.routes import ROUTES
from authserver.pages.errors import ErrorForms

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def register(app: Flask, api: AdminApi, errors: ErrorForms) -> None:
    """Add every route of the table, and what answers for all other addresses below /admin/api."""
    errors.add(PREFIX, api.answer)
    app.register_blueprint(Blueprint("admin_api", __name__, template_folder="templates"))
    for route in ROUTES:
        app.add_url_rule(
            route.rule,
            f"admin.api.{route.operation_id}",
            api.view(route),
            methods=[route.method],
            provide_automatic_options=False,
            merge_slashes=False,
            strict_slashes=True,
        )

    def elsewhere(rest: str = "") -> Response:
        return _nothing_here(f"/{rest}").response()

    for rule in (f"{PREFIX}/<path:rest>", f"{PREFIX}/", PREFIX):
        app.add_url_rule(
            rule,
            f"admin.api.elsewhere{len(rule)}",
            elsewhere,
            methods=_METHODS,
            provide_automatic_options=False,
            merge_slashes=False,
        )


def _nothing_here(path: str) -> Problem:
    # An address that stands in the table as it is, such as /users/import, is no user of the id `import`.
    routes = [route for route in ROUTES if route.path == path] or [
        route for route in ROUTES if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), path)
    ]
    allowed: set[str] = {route.method for route in routes}
    if "GET" in allowed:
        allowed.add("HEAD")
    if allowed and request.method not in allowed:
        listed = ", ".join(sorted(allowed))
        return Problem(WRONG_METHOD, f"It takes {listed}.", headers={"Allow": listed})
    return Problem(NOT_FOUND, f"There is no such address; see {PREFIX}/docs.")
