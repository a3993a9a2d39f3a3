"""The endpoints, one file each. Adding one is a file and a line in this list; the metadata document follows by itself."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, request

from authserver.keys.keyring import Keyring
from authserver.oauth.endpoints import introspect, jwks, metadata, revoke, sessions, status, token
from authserver.oauth.endpoints.base import Context, Endpoint, View
from authserver.oauth.server import OAuthServer
from authserver.web_apps import cors

ENDPOINTS: tuple[Endpoint, ...] = (
    token.ENDPOINT,
    revoke.ENDPOINT,
    introspect.ENDPOINT,
    sessions.ALL,
    sessions.ONE,
    status.LIST,
    status.AGGREGATION,
    jwks.ENDPOINT,
    metadata.ENDPOINT,
)


def register(app: Flask, server: OAuthServer, keyring: Keyring, *, jwks_max_age: int) -> None:
    """Add every endpoint at its address under the issuer."""
    issuer = server.domain.issuer
    context = Context(issuer, server, keyring, jwks_max_age, ENDPOINTS)
    prefix = urlsplit(issuer).path
    for endpoint in ENDPOINTS:
        rule, methods = endpoint.rule(prefix), list(endpoint.methods)
        app.add_url_rule(
            rule,
            endpoint.name,
            endpoint.view(context),
            methods=methods,
            provide_automatic_options=not endpoint.cross_origin,
        )
        if endpoint.cross_origin:
            app.add_url_rule(rule, f"{endpoint.name}.preflight", _preflight(server, methods), methods=["OPTIONS"])


def _preflight(server: OAuthServer, methods: list[str]) -> View:
    def preflight(**_: str) -> Response:
        return cors.preflight(request.headers.get("Origin"), methods, server.domain.clients)

    return preflight
