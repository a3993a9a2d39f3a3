"""Requests and answers as values, so that endpoints know no web framework."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from werkzeug.datastructures import ETags
from werkzeug.http import parse_etags

from authserver.records.audit import Caller

#: What a proxy appends to an ETag: "-gzip" (Apache, Caddy), "--gzip" (Jetty), ";gzip".
_CODING: Final = re.compile(r"(?:--?|;)(?:gzip|deflate|br|zstd)$")
# RFC 9110 section 12.5.1, and what HTTP libraries send beside it: a lone `*` (Java), and a weight without the zero.
_MEDIA_RANGE = re.compile(r"\*|[!#$&^_.+*\w-]+/[!#$&^_.+*\w-]+", re.ASCII)
_WEIGHT = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")

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
        """The media type that the caller prefers; the first if the header says nothing; None if it rules all out.

        A header rules a type out by the weight 0, or by naming others alone. What cannot be read may name any type.
        """
        weights = _weights(self.fields.get("Accept"))
        named = {media_type: _weight_of(media_type, weights) for media_type in media_types}
        best = max(media_types, key=lambda media_type: named[media_type] or 0)
        if named[best]:
            return best
        open_to_others = not weights or not all(map(_MEDIA_RANGE.fullmatch, weights))
        return next((name for name in media_types if named[name] is None and open_to_others), None)

    @property
    def accepts_gzip(self) -> bool:
        weights = _weights(self.fields.get("Accept-Encoding"))
        return next((weights[name] for name in ("gzip", "x-gzip", "*") if name in weights), 0) > 0

    def has(self, etag: str) -> bool:
        """Whether the caller already has the content with this quoted ETag (RFC 9110 section 13.1.2)."""
        return self.known_tags.contains_weak(etag.strip('"'))

    @property
    def known_tags(self) -> ETags:
        """The ETags of If-None-Match."""
        return tags_in(self.fields.get("If-None-Match"))


def tags_in(field: str | None) -> ETags:
    """The ETags of If-Match or If-None-Match, in the form that this server gave them.

    A proxy that compresses an answer changes its ETag: nginx makes it weak, Apache and Caddy add the coding. Both forms
    count, as weak ones (docs/decisions/weak-etags-in-if-match.md).
    """
    sent = parse_etags(field)
    own = {_CODING.sub("", tag) for tag in sent.as_set(include_weak=True) if tag}  # None is an empty tag
    return ETags(weak_etags=own, star_tag=sent.star_tag)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. Headers are names and values in the order of sending."""

    status: int
    body: bytes | str
    headers: Headers


def _weights(field: str | None) -> dict[str, float]:
    """The names of an Accept field in lower case, with their weights. A weight that cannot be read counts as 1."""
    found = {}
    for part in (field or "").lower().split(","):
        name, *parameters = ("".join(text.split()) for text in part.split(";"))
        given = next((text for text in parameters if text.startswith("q=")), "q=1").removeprefix("q=")
        if name:
            found[name] = min(float(given), 1.0) if _WEIGHT.fullmatch(given) else 1.0
    return found


def _weight_of(media_type: str, weights: Mapping[str, float]) -> float | None:
    """The weight that the closest range gives to a media type; None if no range has it."""
    ranges = (media_type, media_type.partition("/")[0] + "/*", "*/*", "*")
    return next((weights[name] for name in ranges if name in weights), None)
