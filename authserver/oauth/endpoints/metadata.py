"""GET /.well-known/oauth-authorization-server: what this server can do (RFC 8414), derived from what is registered."""

from __future__ import annotations

import json

from authserver.apis.administration import PREFIX
from authserver.oauth.endpoints.base import Context, Endpoint
from authserver.oauth.messages import Answer, HttpRequest

_HEADERS = [
    ("Content-Type", "application/json"),
    ("Cache-Control", "public, max-age=300"),
    ("Access-Control-Allow-Origin", "*"),
]


def _answer(context: Context, _request: HttpRequest) -> Answer:
    document: dict[str, object] = {
        "issuer": context.issuer,
        "response_types_supported": [],  # required by RFC 8414; there is no authorization endpoint
    }
    # Only administrators need the scopes of administration (section 2 lets a server leave some scopes out).
    known = context.server.services.catalogue.at_hand().scopes
    if scopes := sorted(scope for scope in known if not scope.startswith(PREFIX)):
        document["scopes_supported"] = scopes  # an empty list is left out (RFC 8414 section 3.2)
    for endpoint in context.endpoints:
        if endpoint.metadata_member is not None:
            document[endpoint.metadata_member] = context.issuer + endpoint.path
        if endpoint.more_metadata is not None:
            document |= endpoint.more_metadata(context)
    return Answer(200, json.dumps(document), _HEADERS)


ENDPOINT = Endpoint(
    "metadata",
    "/.well-known/oauth-authorization-server",
    ("GET",),
    _answer,
    well_known=True,
    cross_origin="any",
    at_hand=lambda _context, _rest: True,
)
