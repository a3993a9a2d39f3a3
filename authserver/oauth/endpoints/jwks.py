"""GET /.well-known/jwks.json: the public keys, including next and retired keys (RFC 7517)."""

from __future__ import annotations

from authserver.oauth.endpoints.base import Context, Endpoint
from authserver.oauth.messages import Answer, HttpRequest


def _answer(context: Context, request: HttpRequest) -> Answer:
    keys = context.keyring.at_hand()
    headers = [
        ("Content-Type", "application/jwk-set+json"),
        # A next key is published for at least max-age before it signs, so no cache can lack the key of a token.
        ("Cache-Control", f"public, max-age={context.jwks_max_age}"),
        ("Access-Control-Allow-Origin", "*"),
        ("ETag", keys.etag),
    ]
    return Answer(304, "", headers) if request.has(keys.etag) else Answer(200, keys.jwks, headers)


ENDPOINT = Endpoint(
    "jwks",
    "/.well-known/jwks.json",
    ("GET",),
    _answer,
    "jwks_uri",
    cross_origin="any",
    at_hand=lambda _context, _rest: True,
)
