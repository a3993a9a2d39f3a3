"""Flask: `@api.require("read")` on a view. The token is `g.access_token`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from flask import Flask, Response, current_app, g, request

from authserver_resource.errors import VerificationError
from authserver_resource.gate import Gate
from authserver_resource.texts import scope_names
from authserver_resource.token import AccessToken

P = ParamSpec("P")
R = TypeVar("R")


class Api:
    """Protects the views of an application, and serves the API's metadata."""

    def __init__(self, gate: Gate, app: Flask | None = None) -> None:
        self.gate = gate
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        app.register_error_handler(VerificationError, self._refuse)
        if self.gate.metadata_path is not None:
            app.add_url_rule(self.gate.metadata_path, "oauth_protected_resource", self._metadata)

    def require(self, scopes: str | Iterable[str] = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Let a request in to this view if its token has all these scopes."""
        wanted = scope_names(scopes)

        def decorate(view: Callable[P, R]) -> Callable[P, R]:
            @wraps(view)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
                g.access_token = self.gate.admit(request.method, request.headers.get, wanted)
                # Flask itself calls views this way: an `async def` runs to its end.
                return cast("R", current_app.ensure_sync(view)(*args, **kwargs))

            return guarded

        return decorate

    def _refuse(self, error: VerificationError) -> Response:
        refusal = self.gate.refusal(error)
        return Response(refusal.body, refusal.status, refusal.headers)

    def _metadata(self) -> Response:
        return Response(self.gate.metadata(), content_type="application/json")


def access_token() -> AccessToken:
    """Return the token of this request with its type. Call it in protected views only."""
    return cast("AccessToken", g.access_token)
