"""What the head of a request must be, beyond what the parser checks: server and proxy must never read it differently.

The parser (llhttp) refuses bare line feeds, folded lines, control bytes and two lengths. It also takes other protocols
and versions, and looks at neither the target nor the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# A target is a path, or a whole URL as for a proxy, or * for OPTIONS (RFC 9112 sections 3.2.1, 3.2.2, 3.2.4).
LINE = re.compile(
    rb"(?:(?!CONNECT )[A-Z-]+ (?:(?i:https?)://(?P<authority>[^/?#@\s]+)(?=[/? ])|(?=/))(?P<path>(?:/[!-\"$->@-~]*)?)(?:\?[!-\"$-~]*)?"
    rb"|OPTIONS \*) HTTP/1\.[01]\r\n"
)
# A path has one spelling: a proxy that keeps /admin/ away from outside may compare it as it was sent. No client writes a
# letter, a digit, a dot or a slash in percent-encoding (RFC 3986 section 6.2.2.2).
_ANOTHER_SPELLING = re.compile(rb"//|%(?:2[EF]|3[0-9]|[46][1-9A-F]|[57][0-9A])", re.IGNORECASE)
# A name or an address, and a port. A comma is legal in a name, but others would see a list of two hosts.
HOST = re.compile(rb"(?:[A-Za-z0-9._~%!$&'()*+;=-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
# Java's client offers h2c with every first request, and the parser then takes the body for another protocol's bytes.
# An offer may be ignored (RFC 9110 section 7.8).
UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
ONCE = frozenset({b"host", b"content-length", b"content-type", b"transfer-encoding"})


def is_sound(line: re.Match[bytes], version: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether all that read the head agree on where its request ends, and on its host and path.

    RFC 9112 sections 3.2 and 6.1. The names are in lower case.
    """
    if _ANOTHER_SPELLING.search(line["path"] or b""):
        return False
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in ONCE:
            if name in found:
                return False
            found[name] = value
    modern = version == "1.1"
    if b"transfer-encoding" in found and not (modern and found[b"transfer-encoding"].lower() == b"chunked"):
        return False
    if b"host" not in found:
        return not modern
    authority = line["authority"] or found[b"host"]
    return HOST.fullmatch(found[b"host"]) is not None and authority.lower() == found[b"host"].lower()
