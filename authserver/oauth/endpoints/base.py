"""The definition of an endpoint: its address, methods, answer, and members of the metadata document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from authserver.keys.keyring import Keyring
from authserver.oauth.messages import Answer, HttpRequest
from authserver.oauth.server import OAuthServer


@dataclass(frozen=True, slots=True)
class Context:
    """The server and settings that endpoints use. `jwks_max_age` is in seconds; `endpoints` has all endpoints.

    `request_headers` are the headers that pages may add to their requests, beside the usual ones.
    """

    issuer: str
    server: OAuthServer
    keyring: Keyring
    jwks_max_age: int
    endpoints: Sequence[Endpoint]
    request_headers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. `metadata_member` is the name of its address in the metadata document (RFC 8414 section 2).

    `answer` makes an answer from a request. `cross_origin` says which pages may call it: those of registered
    origins, or those of any origin. Then preflights are answered.

    `at_hand` says, from what follows the fixed part of the path, whether the answer to a GET is in memory and waits for no
    database. Such requests find a thread whatever the database does; see `operations/at_hand`.

    `path` follows the issuer's own path; a `well_known` path precedes it (RFC 8414 section 3.1).
    """

    name: str
    path: str
    methods: Sequence[str]
    answer: Callable[[Context, HttpRequest], Answer]
    metadata_member: str | None = None
    well_known: bool = False
    more_metadata: Callable[[Context], dict[str, Any]] | None = None
    cross_origin: Literal["registered", "any"] | None = None
    at_hand: Callable[[Context, str], bool] = lambda _context, _rest: False

    def rule(self, prefix: str) -> str:
        """The path that it is served at. `prefix` is the issuer's path."""
        return self.path + prefix if self.well_known else prefix + self.path
