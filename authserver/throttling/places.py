"""Places: the part of an address that its holder cannot change at will."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

#: RFC 6052: an IPv4 address in the last 32 bits.
_NAT64 = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Place:
    """`near` is the /24 of an IPv4 address or the /64 of an IPv6 address, and `wide` the /48 of the latter."""

    near: str
    wide: str | None


def place_of(address: str | None) -> Place | None:
    """The place of an address; None if it is missing or no address.

    An IPv4 address that is written as one of IPv6, or comes through a NAT64, is IPv4: else a /64 would be all of IPv4.
    """
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and (parsed in _NAT64 or parsed.ipv4_mapped is not None):
        parsed = IPv4Address(int(parsed) & 0xFFFF_FFFF)
    if isinstance(parsed, IPv6Address):
        return Place(_prefix(parsed, 64), _prefix(parsed, 48))
    return Place(_prefix(parsed, 24), None)


def _prefix(address: IPv4Address | IPv6Address, length: int) -> str:
    return str(ip_network(f"{address}/{length}", strict=False))
