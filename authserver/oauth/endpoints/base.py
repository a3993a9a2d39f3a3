"""The definition of an endpoint: its address, methods, answer, and members of the metadata document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from authserver.keys.keyring import Keyring
from authserver.oauth.messages import Answer, HttpRequest
from authserver.oauth.server import OAuthServer


@dataclass(frozen=True, slots=True)
class Context:
    """The server and settings that endpoints use. `jwks_max_age` is in seconds; `endpoints` has all endpoints."""

    issuer: str
    server: OAuthServer
    keyring: Keyring
    jwks_max_age: int
    endpoints: Sequence[Endpoint]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. `metadata_member` is the name of its address in the metadata document (RFC 8414 section 2).

    `answer` makes an answer from a request. `cross_origin` says that pages of registered origins may call it: then
    preflights are answered.

    `path` follows the issuer's own path; a `well_known` path precedes it (RFC 8414 section 3.1).
    """

    name: str
    path: str
    methods: Sequence[str]
    answer: Callable[[Context, HttpRequest], Answer]
    metadata_member: str | None = None
    well_known: bool = False
    more_metadata: Callable[[Context], dict[str, Any]] | None = None
    cross_origin: bool = False

    def rule(self, prefix: str) -> str:
        """The path that it is served at. `prefix` is the issuer's path."""
        return self.path + prefix if self.well_known else prefix + self.path
