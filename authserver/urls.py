"""What every room has to know about an address: its origin, whether it is loopback or https, and its cookies' names."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """The origin of an http or https address, as browsers write it (RFC 6454 section 6.2).

    Scheme and host are in lower case, and a default port is left out.

    Raises:
        ValueError: the port is not a number that a port can have, or the brackets of an IPv6 address are broken.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def path_of(issuer: str) -> str:
    """The issuer's path, such as `/auth`; empty without one. Every address of this server lies below it.

    A proxy passes it unchanged (docs/operating.md). RFC 8414 section 3.1 puts the metadata document before it.
    """
    return urlsplit(issuer).path


def is_loopback(url: str) -> bool:
    """Whether an address stays on this machine, so that plain http gives nothing away (Secure Contexts section 3.1)."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def cookie_name(name: str, issuer: str) -> str:
    """The name of a cookie that this issuer sets. On https it has the prefix `__Host-`.

    Browsers refuse such a cookie from a sibling host, from http and for a narrower path (RFC 6265bis section 4.1.3), so
    another host can neither read it nor plant one. On http, in development, neither the prefix nor `Secure` is possible.
    """
    return f"__Host-{name}" if is_https(issuer) else name


def is_https(url: str) -> bool:
    return urlsplit(url).scheme == "https"
