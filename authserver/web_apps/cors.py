"""Cross-origin requests (Fetch section 3.2): only a page of a registered origin may read the answer.

A preflight names no client, so it is answered for all registered origins. The request itself is answered for its own
client. Public documents (keys, metadata, status lists) are open to every origin. A page's tracing may add headers of its own to
all requests, so these documents have preflights too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from authserver.clients.model import Client
from authserver.clients.registry import ClientRegistry

#: Every answer that depends on the origin has it, also without an origin: a cache must not mix the answers up.
VARY: Final = ("Vary", "Origin")
#: Pages of every origin may read the answer, without cookies.
FOR_ALL: Final = ("Access-Control-Allow-Origin", "*")
_PREFLIGHT_SECONDS: Final = 600
_ALLOWED_HEADERS: Final = ("Authorization", "Content-Type")
_EXPOSED_HEADERS: Final = "Retry-After, WWW-Authenticate"

Headers = list[tuple[str, str]]


def headers_for(origin: str | None, client: Client | None) -> Headers:
    """The headers of an answer, for the client that the request was authenticated as."""
    return _readable(origin if client is not None and origin in client.origins else None)


def headers_unread(origin: str | None, clients: ClientRegistry) -> Headers:
    """The headers of a refusal to a request that was not read, for pages of all origins that are in memory."""
    return _readable(origin if origin is not None and clients.knows_origin(origin) else None)


@dataclass(frozen=True, slots=True)
class Preflight:
    """The answer to a preflight: the endpoint's methods, and the headers that pages may add beside the usual ones.

    The status is always 204: without the headers the browser refuses.
    """

    methods: Sequence[str]
    request_headers: Sequence[str]

    def for_registered(self, origin: str | None, clients: ClientRegistry) -> Headers:
        """The headers for pages of registered origins, which may send cookies."""
        if origin is None or not clients.is_origin(origin):
            return [VARY]
        return [VARY, *_allowed(origin), *self._permissions()]

    def for_all(self) -> Headers:
        """The headers for pages of every origin, without cookies."""
        return [FOR_ALL, *self._permissions()]

    def _permissions(self) -> Headers:
        return [
            ("Access-Control-Allow-Methods", ", ".join(self.methods)),
            # Never `*`: with cookies a browser takes it for a header of that name (Fetch section 3.3.3).
            ("Access-Control-Allow-Headers", ", ".join([*_ALLOWED_HEADERS, *self.request_headers])),
            ("Access-Control-Max-Age", str(_PREFLIGHT_SECONDS)),
        ]


def _readable(origin: str | None) -> Headers:
    if origin is None:
        return [VARY]
    return [VARY, *_allowed(origin), ("Access-Control-Expose-Headers", _EXPOSED_HEADERS)]


def _allowed(origin: str) -> Headers:
    return [("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true")]
