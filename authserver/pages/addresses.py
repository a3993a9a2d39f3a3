"""Checks that a request comes from the server's own pages, and that a browser is sent only to them."""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import unquote

# Allowed characters and single slashes only: so no host, no scheme, and nothing that a browser reads differently.
_LOCAL = re.compile(
    r"/(?:account|admin)(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?"
)
_LONGEST = 2000


class _Headers(Protocol):
    def get(self, key: str, /) -> str | None: ...


def is_own_request(headers: _Headers, origin: str) -> bool:
    """Whether one of the server's own pages sent a request that changes something.

    Every current browser sends the origin of a POST. A request without it is refused, because no browser made it. A
    request with the origin `null` is refused, because it hides where it comes from.
    """
    site = headers.get("Sec-Fetch-Site")
    claimed = headers.get("Origin")
    if claimed is None:
        return site == "same-origin"
    return claimed == origin and site in (None, "same-origin", "none")


def local(address: str | None, default: str, base: str) -> str:
    """The address if it is a path of the own pages; else the default. A sign-in must never lead to another host.

    `base` is the issuer's path.
    """
    if address is None or len(address) > _LONGEST or not address.startswith(base):
        return default
    if not _LOCAL.fullmatch(address, len(base)):
        return default
    path = address.partition("?")[0]
    decoded = unquote(path)
    if "//" in decoded or "\\" in decoded or not decoded.isprintable() or {".", ".."} & set(decoded.split("/")):
        return default
    return address
