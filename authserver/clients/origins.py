"""The origins of browser apps (RFC 6454), and the rules of token delivery. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from authserver.refusals.problems import Problem
from authserver.urls import is_https, is_loopback, origin_of

TokenDelivery = Literal["json", "cookie", "both_cookies"]

#: How a client may get its tokens.
DELIVERIES: Final[Mapping[TokenDelivery, str]] = {
    "json": "both tokens in the body",
    "cookie": "the refresh token in a cookie that scripts cannot read",
    "both_cookies": "the access token in a cookie too, where app, API and this server share one origin",
}


def origin_problem(origin: str) -> str | None:
    """Say what is wrong with an origin: no browser sends it so, or it is unsafe. None if it is right.

    Nothing is repaired: what is stored is compared character by character with what browsers send.
    """
    if origin.lower() == "null":
        return (
            "'null' could be any page: files, sandboxed frames and data: addresses all send it; serve the page over "
            "https and write that origin"
        )
    if "*" in origin:
        return f"{origin!r} has a *: there are no patterns, so write each origin in full, as in https://app.example.com"
    try:
        sent = origin_of(origin)
    except ValueError as why:
        return f"{origin!r} is no origin of a web page: {why}"
    if origin != sent:
        return f"{origin!r} never matches, because browsers send {sent} for it: write that"
    if not is_https(origin) and not is_loopback(origin):
        return f"{origin} is plain http; cookies and tokens need https, except for localhost and 127.0.0.1"
    return None


def problems(
    delivery: str, origins: frozenset[str], before: frozenset[str] = frozenset(), *, public: bool
) -> Iterator[Problem]:
    """Check how a client gets its tokens together with its origins. Those that it had `before` stay as they are."""
    texts = map(origin_problem, sorted(origins - before))
    yield from (Problem(text, "origins") for text in texts if text is not None)
    if delivery != "json":
        if not public:
            yield Problem(
                "cookies are for apps in a browser, which can keep no secret: use auth_methods none", "token_delivery"
            )
        if not origins:
            yield Problem(
                "cookies need at least one: the address of the page, such as https://app.example.com", "origins"
            )
    if delivery == "both_cookies" and len(origins) > 1:
        yield Problem("both_cookies is for one origin, which app, API and authserver share", "origins")
