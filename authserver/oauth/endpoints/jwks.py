"""GET /.well-known/jwks.json: the public keys, next and retired ones included (RFC 7517)."""

from __future__ import annotations

from flask import Response, request

from authserver.oauth.endpoints.base import Context, Endpoint, View


def _view(context: Context) -> View:
    # A next key is published for at least max-age before it signs, so no cache can lack the key of a token.
    headers = {"Cache-Control": f"public, max-age={context.jwks_max_age}", "Access-Control-Allow-Origin": "*"}

    def jwks() -> Response:
        keys = context.keyring.current()
        # Not werkzeug's make_conditional: with its dates and ranges it costs as much as all the rest.
        known = request.if_none_match.contains_weak(keys.etag.strip('"'))
        return Response(
            b"" if known else keys.jwks,
            304 if known else 200,
            {**headers, "ETag": keys.etag},
            content_type="application/jwk-set+json",
        )

    return jwks


ENDPOINT = Endpoint("jwks", "/.well-known/jwks.json", ("GET",), _view, "jwks_uri")
