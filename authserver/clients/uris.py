"""Which redirect URIs a client may have (RFC 6749 section 3.1.2, RFC 8252 section 7, RFC 9700 section 4.1.3). Pure.

They are compared character by character. So nothing is repaired here, and no URI is a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import SplitResult, urlsplit

from authserver.refusals.problems import Problem
from authserver.urls import is_loopback

MOST: Final = 50
LENGTH: Final = 500
# RFC 3986: the characters of a URI, without "#" (a fragment) and "*" (a reader would take it for a pattern).
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?@!$&'()+,;=\[\]-]|%[0-9A-Fa-f]{2})+")


def problems(kind: str, redirect_uris: frozenset[str]) -> Iterator[Problem]:
    """Why a client of this kind may not have these redirect URIs."""
    for uri in sorted(redirect_uris)[:MOST]:
        if (problem := _problem(kind, uri)) is not None:
            yield Problem(f"{uri[:LENGTH]!r} {problem}", "redirect_uris")


def warnings(kind: str, redirect_uris: frozenset[str]) -> Iterator[Problem]:
    """What works, but may be a mistake."""
    if kind == "service" and redirect_uris:
        yield Problem("a service signs no user in, so no browser is sent there", "redirect_uris")
    if any(urlsplit(uri).hostname == "localhost" for uri in redirect_uris):
        # RFC 8252 section 8.3: a resolver may give another address for the name.
        yield Problem(
            "write 127.0.0.1 or [::1] instead of localhost, which may be resolved to another machine", "redirect_uris"
        )


def _problem(kind: str, uri: str) -> str | None:
    if "#" in uri:
        return "has a fragment, which is not allowed (RFC 6749 section 3.1.2); leave out the # and what follows"
    if "*" in uri:
        return "has a *: there are no patterns, so register each URI in full"
    if not uri.isascii():
        return "has letters outside of ASCII: write its host as browsers send it (xn--…), and the rest percent-encoded"
    try:
        parts = urlsplit(uri) if _URI.fullmatch(uri) else None
        port_is_good = parts is None or parts.port != 0
    except ValueError:
        parts, port_is_good = None, False
    if parts is None or not port_is_good:
        return "is no absolute URI; it looks like https://app.example.com/callback"
    return _scheme_problem(kind, uri, parts)


def _scheme_problem(kind: str, uri: str, parts: SplitResult) -> str | None:
    if parts.scheme in ("http", "https"):
        if not parts.hostname or "@" in parts.netloc:
            return "needs a host and may not have a user name"
        if parts.scheme == "https" or is_loopback(uri):
            return None
        return "is http outside of loopback, where others could read the code; use https"
    if kind == "mobile" and "." in parts.scheme:
        return None  # RFC 8252 section 7.1: a reversed domain name, so no other app claims it by chance
    if kind == "mobile":
        return (
            f"has the scheme {parts.scheme}; one of its own is a reversed domain name, as in com.example.app:/callback"
        )
    return "must be https; only mobile clients may have a scheme of their own"
