"""POST /token: the token endpoint (RFC 6749 section 3.2)."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from authserver.clients.authentication import METHODS
from authserver.oauth.endpoints.base import Context, Endpoint, View


def _view(context: Context) -> View:
    def token() -> Response:
        return context.server.create_token_response(request)

    return token


def _more_metadata(context: Context) -> dict[str, Any]:
    return {
        "grant_types_supported": context.server.grant_types,
        "token_endpoint_auth_methods_supported": list(METHODS),
    }


ENDPOINT = Endpoint(
    "token", "/token", ("POST",), _view, "token_endpoint", more_metadata=_more_metadata, cross_origin=True
)
