"""Cross-origin requests (Fetch section 3.2): a page of a registered origin may read the answer, and no other may.

The preflight names no client, so it is answered for the union of all registered origins; the
request itself is answered for its own client. What is public (keys, metadata, status lists) is open to every origin
by headers of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from authserver.clients.model import Client
from authserver.clients.registry import ClientRegistry

#: Every answer that depends on the origin says so, also to those without one: a cache must not mix them up.
VARY: Final = ("Vary", "Origin")
_PREFLIGHT_SECONDS: Final = 600
_ALLOWED_HEADERS: Final = "Authorization, Content-Type"
_EXPOSED_HEADERS: Final = "Retry-After, WWW-Authenticate"

Headers = list[tuple[str, str]]


def headers_for(origin: str | None, client: Client | None) -> Headers:
    """What the answer to a request says, for the client that it was authenticated as."""
    if origin is None or client is None or origin not in client.origins:
        return [VARY]
    return [VARY, *_allowed(origin), ("Access-Control-Expose-Headers", _EXPOSED_HEADERS)]


def preflight(origin: str | None, methods: Sequence[str], clients: ClientRegistry) -> Headers:
    """The headers of the answer to a preflight, a 204 in any case: without them the browser refuses by itself."""
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
