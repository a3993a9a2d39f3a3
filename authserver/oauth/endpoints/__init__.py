"""The endpoints, one file each. Adding one is a file and a line in this list; the metadata document follows by itself."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask

from authserver.keys.keyring import Keyring
from authserver.oauth.endpoints import introspect, jwks, metadata, revoke, status, token
from authserver.oauth.endpoints.base import Context, Endpoint
from authserver.oauth.server import OAuthServer

ENDPOINTS: tuple[Endpoint, ...] = (
    token.ENDPOINT,
    revoke.ENDPOINT,
    introspect.ENDPOINT,
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
        app.add_url_rule(endpoint.rule(prefix), endpoint.name, endpoint.view(context), methods=list(endpoint.methods))
