"""Which requests are answered from memory while the database is away, and how the others are refused for want of a thread.

Threads are kept free for what is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from authserver.oauth.endpoints.base import Context, Endpoint
from authserver.urls import path_of
from authserver.web_apps import cors

#: Whether the answer for the rest of a path is in memory.
Known = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the addresses, and for which of them the answer is in memory.

    `begins` is the whole path, or the beginning of many; `known` gets what follows it. `preflights` says that these are
    answered from memory.
    """

    begins: str
    known: Known | None = None
    preflights: bool = False

    def has(self, path: str, method: str) -> bool:
        """Whether a request is here, and answered from memory."""
        if not (path.startswith(self.begins) if self.known else path == self.begins):
            return False
        if method == "OPTIONS":
            return self.preflights
        return method in {"GET", "HEAD"} and (self.known is None or self.known(path[len(self.begins) :]))


def below(folder: str) -> Place:
    """All addresses below a folder, which are files in memory."""
    return Place(folder, lambda _rest: True)


def of_app(context: Context) -> Iterator[Place]:
    """The addresses of health and files, those of the endpoints that say so, and the preflights of all endpoints."""
    prefix = path_of(context.issuer)
    for base in {"", prefix}:
        # Readiness looks at the database on a thread of its own. If it had to queue for a thread, a node that has much
        # to do would count as broken.
        yield from (Place(f"{base}/{name}") for name in ("healthz", "readyz", "metrics"))
    yield from (below(f"{prefix}/{folder}/") for folder in ("assets", "sdk"))
    for endpoint in context.endpoints:
        begins = endpoint.rule(prefix).partition("<")[0]
        yield Place(begins, partial(_known, context, endpoint), endpoint.cross_origin is not None)


def _known(context: Context, endpoint: Endpoint, rest: str) -> bool:
    return (bool(rest) == ("<" in endpoint.path)) and endpoint.at_hand(context, rest)


def at_hand(places: Iterable[Place]) -> Callable[[dict[str, Any]], bool]:
    """Make the function that tells from a WSGI environment whether a request waits for nothing."""
    every = tuple(places)

    def is_at_hand(environ: dict[str, Any]) -> bool:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if method == "POST":  # most requests
            return False
        return any(place.has(path, method) for place in every)

    return is_at_hand


def for_pages(context: Context) -> Callable[[dict[str, Any]], cors.Headers]:
    """Make the function that gives a refusal the headers without which a page sees a failed network (Fetch section 3.2).

    It gets the WSGI environment of a request for which there is no thread, so it goes by what is in memory.
    """
    prefix, clients = path_of(context.issuer), context.server.services.clients
    open_to = [(endpoint.rule(prefix).partition("<"), endpoint.cross_origin) for endpoint in context.endpoints]

    def headers(environ: dict[str, Any]) -> cors.Headers:
        path = environ["PATH_INFO"]
        for (begins, more, _), who in open_to:
            if path.startswith(begins) if more else path == begins:
                if who == "registered":
                    return cors.headers_unread(environ.get("HTTP_ORIGIN"), clients)
                return [cors.FOR_ALL] if who == "any" else []
        return []

    return headers
