"""Cross-origin requests (Fetch section 3.2): only a page of a registered origin may read the answer.

A preflight names no client, so it is answered for all registered origins. The request itself is answered for its own
client. Public documents (keys, metadata, status lists) set their own headers and are open to every origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from authserver.clients.model import Client
from authserver.clients.registry import ClientRegistry

#: Every answer that depends on the origin has it, also without an origin: a cache must not mix the answers up.
VARY: Final = ("Vary", "Origin")
_PREFLIGHT_SECONDS: Final = 600
_ALLOWED_HEADERS: Final = "Authorization, Content-Type"
_EXPOSED_HEADERS: Final = "Retry-After, WWW-Authenticate"

Headers = list[tuple[str, str]]


def headers_for(origin: str | None, client: Client | None) -> Headers:
    """The headers of an answer, for the client that the request was authenticated as."""
    if origin is None or client is None or origin not in client.origins:
        return [VARY]
    return [VARY, *_allowed(origin), ("Access-Control-Expose-Headers", _EXPOSED_HEADERS)]


def preflight(origin: str | None, methods: Sequence[str], clients: ClientRegistry) -> Headers:
    """The headers of the answer to a preflight. The status is always 204: without the headers the browser refuses."""
    headers = [VARY]
    if origin is not None and clients.is_origin(origin):
        headers += [
            *_allowed(origin),
            ("Access-Control-Allow-Methods", ", ".join(methods)),
            ("Access-Control-Allow-Headers", _ALLOWED_HEADERS),
            ("Access-Control-Max-Age", str(_PREFLIGHT_SECONDS)),
        ]
    return headers


def _allowed(origin: str) -> Headers:
    return [("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true")]
