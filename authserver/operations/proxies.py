"""The caller's address behind proxies: the forwarded header counts only as far as trusted proxies wrote it.

One setting names the header that the proxies write, `X-Forwarded-For` or `Forwarded` (RFC 7239). The other one is never
read: proxies pass it on as the client wrote it. Nothing but the address is taken from either: the issuer and all other
addresses come from the settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from authserver.settings.values import ForwardedHeader

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

# An address as proxies write it: IPv6 in brackets or bare, a zone behind it, then a port (RFC 7239 section 6).
_NODE = re.compile(
    r"(?:\[(?P<v6>[^\]%]+)(?:%[^\]]*)?\]|(?P<v4>[0-9.]+))(?::(?:\d{0,5}|_[\w.-]+))?|(?P<bare>[0-9A-Fa-f:.]+)(?:%.*)?",
    re.ASCII,
)
# Values may also be unquoted where RFC 7239 asks for quotes: many proxies write an address with a port so.
_PAIR = re.compile(r"""([\w!#$%&'*+.^`|~-]++)=("(?:[^"\\]|\\.)*+"|[^\s",;\\]*+)""", re.ASCII)
_ELEMENT = re.compile(rf"[ \t]*+(?:{_PAIR.pattern}[ \t]*+)?(?:;[ \t]*+(?:{_PAIR.pattern}[ \t]*+)?)*+", re.ASCII)
_ESCAPED = re.compile(r"\\(.)")


_KEYS = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED")


class TrustedProxies:
    """WSGI middleware that replaces REMOTE_ADDR by the last address that is not a trusted proxy's.

    It is empty if a trusted proxy hides the address that it saw, or wrote no address. An IPv4 address is written as one,
    also if the socket or a proxy wrote it as an address of IPv6.

    A forwarded header from a peer in a private network that is not trusted is not believed, and calls `on_unbelieved`: most
    likely the peer is a proxy, and its address is no user's. On this machine it is so for sure, and the address is left empty.
    """

    def __init__(
        self,
        app: WSGIApplication,
        networks: Iterable[Network],
        header: ForwardedHeader,
        on_unbelieved: Callable[[], None] = lambda: None,
    ) -> None:
        self._app = app
        self._on_unbelieved = on_unbelieved
        self._networks = tuple(map(_unmapped, networks))
        self._hops = _forwarded if header == "forwarded" else _forwarded_for
        self._key = "HTTP_" + header.upper().replace("-", "_")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        peer: str = environ.get("REMOTE_ADDR", "")
        forwarded: str | None = environ.get(self._key)
        if any(environ.get(key) for key in _KEYS) and self._hides_users(_parsed(peer)):
            environ["REMOTE_ADDR"] = ""
        elif forwarded or ":" in peer:
            environ["REMOTE_ADDR"] = self.client_address(peer, forwarded or "")
        return self._app(environ, start_response)

    def client_address(self, peer: str, forwarded: str) -> str:
        """Walk back from the peer. Each hop wrote the address before it, which counts only if the hop is trusted."""
        address = _parsed(peer)
        if address is None:  # a socket without addresses
            return peer
        for hop in self._hops(forwarded):
            if not self._trusts(address):
                break
            address = _parsed(hop)
            if address is None:
                return ""
        return str(address)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _hides_users(self, peer: Address | None) -> bool:
        """Whether a peer that sends a forwarded header is a proxy of this machine that is not trusted."""
        if peer is None or peer.is_global or self._trusts(peer):
            return False
        self._on_unbelieved()
        return peer.is_loopback


def _unmapped(network: Network) -> Network:
    """The network, as one of IPv4 if it is written as a part of ::ffff:0:0/96."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return network if mapped is None or network.prefixlen < 96 else IPv4Network((mapped, network.prefixlen - 96))


def _parsed(node: str) -> Address | None:
    """The address of a hop, without port and zone; None for `unknown`, a hidden name and what is no address."""
    match = _NODE.fullmatch(node)
    try:
        address = ip_address((match["v6"] or match["v4"] or match["bare"]) if match else "")
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _forwarded_for(header: str) -> Iterator[str]:
    """The hops of `X-Forwarded-For`, the last one first. An empty member does not count (RFC 9110 section 5.6.1)."""
    return (hop for member in reversed(header.split(",")) if (hop := member.strip(' \t"')))


def _forwarded(header: str) -> Iterator[str]:
    """The hops of `Forwarded`, the last one first; an empty text for a hop without an address.

    It is read from its end, because only the beginning may be forged: a quotation mark that a client leaves open must not
    swallow what the proxies wrote behind it. A comma within quotation marks separates nothing.
    """
    start = end = len(header)
    while end >= 0:
        start = header.rfind(",", 0, start)
        if _ELEMENT.fullmatch(header, start + 1, end):
            element = header[start + 1 : end].strip()
            if element:
                yield _for(element)
            end = start
        elif start < 0:
            yield ""
            return


def _for(element: str) -> str:
    found = [pair[2] for pair in _PAIR.finditer(element) if pair[1].lower() == "for"]
    if len(found) != 1:
        return ""
    return _ESCAPED.sub(r"\1", found[0][1:-1]) if found[0].startswith('"') else found[0]
