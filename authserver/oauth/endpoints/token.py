"""POST /token: the token endpoint (RFC 6749 section 3.2)."""

from __future__ import annotations

from typing import Any

from authserver.clients.authentication import METHODS
from authserver.clients.grants import GRANTS
from authserver.oauth.endpoints.base import Context, Endpoint
from authserver.oauth.messages import Answer, HttpRequest


def _answer(context: Context, request: HttpRequest) -> Answer:
    return context.server.create_token_response(request)


def _more_metadata(_context: Context) -> dict[str, Any]:
    return {
        "grant_types_supported": list(GRANTS),
        "token_endpoint_auth_methods_supported": list(METHODS),
    }


ENDPOINT = Endpoint(
    "token", "/token", ("POST",), _answer, "token_endpoint", more_metadata=_more_metadata, cross_origin="registered"
)
