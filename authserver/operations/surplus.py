"""Sign-ins have threads of their own, and those beyond what a worker can hash are refused in the event loop.

Otherwise a storm takes the threads that refreshes need: for the sign-ins that wait for their hash, and for 0.7 ms for each
of the many that are refused (docs/decisions/a-storm-of-sign-ins.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from io import BytesIO
from typing import Any
from wsgiref.types import StartResponse

from authserver.oauth.endpoints import token
from authserver.oauth.endpoints.base import Context
from authserver.operations.at_hand import for_pages
from authserver.operations.headers import SecurityHeaders
from authserver.passwords.pool import HashingPool
from authserver.serving.admission import Bounded
from authserver.urls import path_of

# A client that writes it otherwise, or a request with a mistake, is refused by a thread.
_GRANT = re.compile(rb"(?:\A|&)grant_type=password(?:&|\Z)")


def bounded_sign_ins(context: Context, pool: HashingPool) -> Bounded:
    """Sign-ins at the token endpoint: at most `pool.queue` at once. One more is answered as a thread would answer it.

    Only its reference does not name the client, which is not authenticated.
    """
    address, server, more = token.ENDPOINT.rule(path_of(context.issuer)), context.server, for_pages(context)

    def has(environ: dict[str, Any]) -> bool:
        if environ["REQUEST_METHOD"] != "POST" or environ["PATH_INFO"] != address:
            return False
        body: BytesIO = environ["wsgi.input"]
        return _GRANT.search(body.getvalue()) is not None

    def refuse(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        answer = server.turned_away(token.ENDPOINT.name, "password", pool.refusal())
        start(f"{answer.status} {HTTPStatus(answer.status).phrase}", [*answer.headers, *more(environ)])
        return [answer.body.encode() if isinstance(answer.body, str) else answer.body]

    # Sign-ins on pages are no requests of this kind, and fill the queue too.
    return Bounded(pool.queue, has, lambda: pool.is_full, SecurityHeaders(refuse, context.issuer))
