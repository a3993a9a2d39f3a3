"""Requests and answers as values, so that endpoints know no web framework."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_etags

from authserver.records.audit import Caller

#: What a proxy appends to an ETag: "-gzip" (Apache, Caddy), "--gzip" (Jetty), ";gzip".
_CODING: Final = re.compile(r"(?:--?|;)(?:gzip|deflate|br|zstd)$")

#: Names and values. A name may occur twice.
Headers = list[tuple[str, str]]


class _Fields(Protocol):
    def get(self, name: str, /) -> str | None:
        """The value of a field. The case of the name does not matter. Commas join a field that was sent twice."""


@dataclass(frozen=True)
class HttpRequest:
    """A request. `path_arguments` are the parts of the path that the endpoint's address names.

    `read_body` may raise `Refused`: it reads the body when an endpoint asks for it.
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
        """The address and user agent of the request."""
        return Caller.of(self.remote_address, self.fields.get("User-Agent"))

    @property
    def origin(self) -> str | None:
        return self.fields.get("Origin")

    def query_parameter(self, name: str) -> str:
        """The first value of a parameter of the query string; empty if it is missing."""
        return next((value for key, value in parse_qsl(self.query, keep_blank_values=True) if key == name), "")

    def accepted(self, *media_types: str) -> str | None:
        """The media type that the caller prefers; the first without an Accept header; None if it accepts none."""
        accepted = parse_accept_header(self.fields.get("Accept"), MIMEAccept)
        return accepted.best_match(media_types) if accepted else media_types[0]

    @property
    def accepts_gzip(self) -> bool:
        return parse_accept_header(self.fields.get("Accept-Encoding")).quality("gzip") > 0

    def has(self, etag: str) -> bool:
        """Whether the caller already has the content with this quoted ETag (RFC 9110 section 13.1.2)."""
        return names_tag(self.fields.get("If-None-Match"), etag.strip('"'))


def names_tag(field: str | None, tag: str) -> bool:
    """Whether If-Match or If-None-Match names this ETag, given without quotation marks.

    A proxy that compresses an answer changes its ETag: nginx makes it weak, Apache and Caddy add the coding. Both forms
    count (docs/decisions/weak-etags-in-if-match.md).
    """
    named = parse_etags(field)
    return named.star_tag or tag in {_CODING.sub("", one) for one in named.as_set(include_weak=True)}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. Headers are names and values in the order of sending."""

    status: int
    body: bytes | str
    headers: Headers
