"""What every room has to know about an address: its origin, whether it is loopback or https, and its cookies' names."""

from __future__ import annotations

import re
import socket
import unicodedata
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# RFC 1035 section 2.3.4, as text.
_LONGEST_NAME: Final = 253
_LONGEST_LABEL: Final = 63
_TOO_LONG: Final = "its host is longer than 253 characters, or a part of it than 63"
_HOST: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
# A host whose last label is a number is an IPv4 address (WHATWG URL section 3.5), in one of many spellings.
_IPV4: Final = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?")


def origin_of(url: str) -> str:
    """The origin of an http or https address, as browsers send it (WHATWG URL section 3.5, RFC 6454 section 6.2).

    Scheme and host are in lower case and ASCII, an IP address has its one canonical form, and a default port is left out.

    Raises:
        ValueError: no page can have this address. The text says why and can be shown.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("its port is not 1 to 65535, or the brackets of an IPv6 address are broken") from None
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise ValueError("it has to begin with https:// and a host, as in https://app.example.com")
    if port == 0:
        raise ValueError("browsers open no address with port 0")
    host = _ipv6(host) if ":" in host else _host(host)
    return f"{parts.scheme}://{host}" + ("" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}")


def _ipv6(host: str) -> str:
    if "%" in host:
        raise ValueError("browsers open no IPv6 address with a zone")
    try:
        address = IPv6Address(host)
    except ValueError:
        raise ValueError("its host is no IPv6 address") from None
    if address.ipv4_mapped is not None:  # newer versions of Python write it with dots, browsers do not
        low = int(address) & 0xFFFFFFFF
        return f"[::ffff:{low >> 16:x}:{low & 0xFFFF:x}]"
    return f"[{address}]"


def _host(host: str) -> str:
    """A host as browsers send it: names of other scripts as Punycode (UTS 46), IPv4 addresses as four numbers."""
    # Before each step that takes long for a long text. A percent-encoded letter has up to 12 characters.
    if len(host) > 12 * _LONGEST_NAME or len(mapped := _mapped(unquote(host))) > _LONGEST_NAME:
        raise ValueError(_TOO_LONG)
    host = ".".join(map(_label, mapped.split(".")))
    if len(host) > _LONGEST_NAME or max(map(len, host.split("."))) > _LONGEST_LABEL:
        raise ValueError(_TOO_LONG)
    if not _HOST.fullmatch(host):
        raise ValueError("its host may have letters, digits and hyphens, with single dots in between")
    if not _IPV4.fullmatch(host):
        return host
    try:
        return str(IPv4Address(socket.inet_aton(host.removesuffix("."))))
    except OSError:
        raise ValueError("its host ends with a number, but is no IPv4 address") from None


def _mapped(text: str) -> str:
    """Map a name as UTS 46 does, except for characters that no name may have. ß and ς stay, as in current browsers."""
    # Letter by letter: for a whole word Python makes another letter of the last sigma.
    lower = "".join(letter.lower() for letter in unicodedata.normalize("NFKC", text))
    return unicodedata.normalize("NFKC", lower).replace("。", ".")


def _label(label: str) -> str:
    if label.isascii():
        return label
    if not label.isprintable():
        raise ValueError("its host has an invisible character")
    return f"xn--{label.encode('punycode').decode()}"


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
