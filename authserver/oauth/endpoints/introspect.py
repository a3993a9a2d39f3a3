"""POST /introspect: tells an API or client about a token (RFC 7662; signed answers by RFC 9701)."""

from __future__ import annotations

from typing import Any

from authserver.clients.authentication import METHODS
from authserver.oauth.endpoints.base import Context, Endpoint
from authserver.oauth.messages import Answer, HttpRequest
from authserver.oauth.request import TokenRequest
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.tokens.signing import sign

_SIGNED = "token-introspection+jwt"
_SIGNED_TYPE = f"application/{_SIGNED}"


def _answer(context: Context, request: HttpRequest) -> Answer:
    services = context.server.services

    def run(token_request: TokenRequest) -> Answer:
        context.server.authenticate(token_request)
        if token_request.client.is_public:  # it proves nothing, so an attacker could try tokens out
            raise Refused(Reason.METHOD_NOT_ALLOWED)
        text = token_request.need("token")
        found = services.introspection.look_up(text, token_request.client, services.catalogue.current())
        if request.accepted("application/json", _SIGNED_TYPE) != _SIGNED_TYPE:
            return context.server.handle_response(200, found, [])
        claims = {
            "iss": context.issuer,
            "aud": token_request.client.client_id,
            "iat": token_request.received_at // 1000,
            "token_introspection": found,
        }
        signed = sign(context.keyring.current(), _SIGNED, claims)
        return context.server.handle_response(200, signed, [("Content-Type", _SIGNED_TYPE)])

    return context.server.answer("introspect", request, run)


def _more_metadata(context: Context) -> dict[str, Any]:
    return {
        "introspection_endpoint_auth_methods_supported": [method for method in METHODS if method != "none"],
        "introspection_signing_alg_values_supported": [context.keyring.at_hand().signing.algorithm],
    }


ENDPOINT = Endpoint(
    "introspect", "/introspect", ("POST",), _answer, "introspection_endpoint", more_metadata=_more_metadata
)
