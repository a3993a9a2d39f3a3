"""Origins of browser apps (RFC 6454), and what goes with how a client gets its tokens (DESIGN section 9). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal
from urllib.parse import urlsplit

from authserver.urls import is_https, is_loopback, origin_of

TokenDelivery = Literal["json", "cookie", "both_cookies"]

#: In the response's body; the refresh token in a cookie; both in cookies, where app, API and authserver share an origin.
DELIVERIES: Final = ("json", "cookie", "both_cookies")
_MOST_ORIGINS: Final = 50


def origin_problem(origin: str) -> str | None:
    """What keeps this text from being an origin as browsers send it, if anything does."""
    if not _is_origin(origin):
        return (
            f"origins: {origin!r} is no origin: scheme, host and port only, in lower case, as in https://app.example.com "
            "(no path, no wildcard, no default port)"
        )
    if not is_https(origin) and not is_loopback(origin):
        return f"origins: {origin} is plain http; cookies and tokens need https, but for localhost and 127.0.0.1"
    return None


def problems(delivery: str, origins: frozenset[str], *, public: bool) -> Iterator[str]:
    """Check how a client gets its tokens together with its origins."""
    yield from (problem for origin in sorted(origins) if (problem := origin_problem(origin)) is not None)
    if len(origins) > _MOST_ORIGINS:
        yield f"origins: at most {_MOST_ORIGINS}"
    if delivery not in DELIVERIES:
        yield f"token_delivery: must be one of {', '.join(DELIVERIES)}"
    elif delivery != "json":
        if not public:
            yield "token_delivery: cookies are for apps in a browser, which can keep no secret: use auth_methods none"
        if not origins:
            yield "origins: cookies need at least one: the address of the page, such as https://app.example.com"
    if delivery == "both_cookies" and len(origins) > 1:
        yield "origins: both_cookies is for one origin, which app, API and authserver share"


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and text == origin_of(text)
    except ValueError:
        return False
