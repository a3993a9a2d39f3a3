"""The endpoints, one file each. To add one, add a file and a line in this list; the metadata document follows."""

from __future__ import annotations

from authserver.oauth.endpoints import introspect, jwks, metadata, revoke, sessions, status, token
from authserver.oauth.endpoints.base import Endpoint

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
