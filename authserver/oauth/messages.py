"""What endpoints without pages get and give: a request and an answer as values, so that no endpoint knows a web framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import parse_qsl

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_etags

from authserver.records.audit import Caller

#: Names and values; a name may stand twice.
Headers = list[tuple[str, str]]


class _Fields(Protocol):
    def get(self, name: str, /) -> str | None:
        """The value of a field, by its name in any case; one that was sent twice is joined by commas."""


@dataclass(frozen=True)
class HttpRequest:
    """A request as it came. `path_arguments` are the parts of the path that the endpoint's address names.

    `read_body` may raise `Refused`: the body is read when an endpoint asks for it.
    """

    method: str
    path: str
    query: str
    fields: _Fields
    read_body: Callable[[], bytes]
    remote_address: str | None = None
    path_arguments: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def caller(self) -> Caller:
        """Where the request comes from."""
        return Caller.of(self.remote_address, self.fields.get("User-Agent"))

    @property
    def origin(self) -> str | None:
        return self.fields.get("Origin")

    def query_parameter(self, name: str) -> str:
        """The first value of a parameter of the query string; empty where there is none."""
        return next((value for key, value in parse_qsl(self.query, keep_blank_values=True) if key == name), "")

    def accepted(self, *media_types: str) -> str | None:
        """The media type that the caller likes best; the first where it does not say, None where it takes none of them."""
        accepted = parse_accept_header(self.fields.get("Accept"), MIMEAccept)
        return accepted.best_match(media_types) if accepted else media_types[0]

    @property
    def accepts_gzip(self) -> bool:
        return parse_accept_header(self.fields.get("Accept-Encoding")).quality("gzip") > 0

    def has(self, etag: str) -> bool:
        """Whether the caller holds the content of this quoted validator already (RFC 9110 section 13.1.2)."""
        return parse_etags(self.fields.get("If-None-Match")).contains_weak(etag.strip('"'))


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. Headers are names and values in the order in which they are sent."""

    status: int
    body: bytes | str
    headers: Headers
