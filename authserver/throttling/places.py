"""Places: the part of an address that its holder cannot change at will."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network


@dataclass(frozen=True, slots=True)
class Place:
    """`near` is the /24 of an IPv4 address or the /64 of an IPv6 address, and `wide` the /48 of the latter."""

    near: str
    wide: str | None


def place_of(address: str | None) -> Place | None:
    """The place of an address; None if it is missing or no address. An IPv4 address written as one of IPv6 is IPv4."""
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return Place(_prefix(parsed, 64), _prefix(parsed, 48))
    return Place(_prefix(getattr(parsed, "ipv4_mapped", None) or parsed, 24), None)


def _prefix(address: object, length: int) -> str:
    return str(ip_network(f"{address}/{length}", strict=False))
