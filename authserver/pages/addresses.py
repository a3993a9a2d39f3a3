"""Where a request may come from and where a browser may be sent: our own pages."""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import unquote

# Allowed characters only, one slash at a time: no host, no scheme, nothing that a browser reads in another way.
_LOCAL = re.compile(
    r"/(?:account|admin)(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?"
)
_LONGEST = 2000


class _Headers(Protocol):
    def get(self, key: str, /) -> str | None: ...


def is_own_request(headers: _Headers, origin: str) -> bool:
    """Whether a request that changes something was sent by a page of ours.

    Every browser of today says where a POST comes from. What says nothing at all is no browser, and has no business
    with forms; what says `null` hides it.
    """
    site = headers.get("Sec-Fetch-Site")
    claimed = headers.get("Origin")
    if claimed is None:
        return site == "same-origin"
    return claimed == origin and site in (None, "same-origin", "none")


def local(address: str | None, default: str) -> str:
    """The address, if it is a path of our pages; else the default. What follows a sign-in must never leave the host."""
    if address is None or len(address) > _LONGEST or not _LOCAL.fullmatch(address):
        return default
    path = address.partition("?")[0]
    decoded = unquote(path)
    if "//" in decoded or "\\" in decoded or not decoded.isprintable() or {".", ".."} & set(decoded.split("/")):
        return default
    return address
