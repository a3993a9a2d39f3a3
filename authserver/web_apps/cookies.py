"""Tokens in cookies: their names and attributes, and which requests of a browser app are accepted. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from authserver.clients.model import Client
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.urls import cookie_name, is_https, origin_of

_REFRESH: Final = "authserver-rt-"
_ACCESS: Final = "authserver-at-"
#: Browsers drop a cookie whose name and value have more bytes together (RFC 6265bis section 5.7).
_MOST_BYTES: Final = 4096
#: The Sec-Fetch-Mode of a page's `fetch`. A form, a navigation, an image or a frame has other values.
_MODES: Final = frozenset({"cors", "same-origin"})

Header = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class CookieJar:
    """The names and attributes of one issuer's cookies."""

    issuer: str

    def refresh_name(self, client: Client) -> str:
        return self._name(_REFRESH, client.client_id)

    def access_name(self, client: Client) -> str:
        return self._name(_ACCESS, client.client_id)

    def longest_access_token(self, client_id: str) -> int:
        """The most characters of an access token that fit into a client's cookie."""
        return _MOST_BYTES - len(self._name(_ACCESS, client_id))

    def set(self, name: str, value: str, max_age: int) -> str:
        """The value of Set-Cookie. `max_age` is in seconds; 0 clears the cookie."""
        secure = "; Secure" if is_https(self.issuer) else ""
        return f"{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}"

    def check_origin(self, client: Client, header: Header) -> str:
        """Return the origin of a request for a client with cookies. The client must have registered it.

        Sign-in and sign-out are checked too: a foreign page must not sign a user out, or in as another user.
        `Sec-Fetch-*` must not contradict. If the browser does not send it, `Origin` alone decides.

        Raises:
            Refused: there is no origin, a foreign one, or a page of the origin cannot have made the request.
        """
        origin = header("Origin")
        if origin is None:
            raise Refused(Reason.ORIGIN_NOT_ALLOWED, detail="no Origin", about="no Origin header")
        if origin not in client.origins:
            raise Refused(
                Reason.ORIGIN_NOT_ALLOWED, detail="an origin that the client has not registered", about=origin
            )
        expected = "same-origin" if origin == origin_of(self.issuer) else "same-site"
        if header("Sec-Fetch-Site") not in (None, expected):
            raise _no_fetch(origin, f"Sec-Fetch-Site is not {expected}")
        if header("Sec-Fetch-Mode") not in (None, *_MODES):
            raise _no_fetch(origin, "Sec-Fetch-Mode is no fetch of a page")
        if header("Sec-Fetch-Dest") not in (None, "empty"):
            raise _no_fetch(origin, "Sec-Fetch-Dest is no fetch of a page")
        return origin

    def _name(self, kind: str, client_id: str) -> str:
        return cookie_name(kind + client_id, self.issuer)


def read_cookie(cookies: str | None, name: str) -> str | None:
    """The value of one cookie in a Cookie header; None if it is missing or empty.

    Raises:
        Refused: it has two values. An attacker may have planted one, and the server cannot tell which.
    """
    found = [value for key, value in map(_pair, (cookies or "").split(";")) if key == name and value]
    if len(set(found)) > 1:
        raise Refused(Reason.COOKIE_TWICE)
    return found[0] if found else None


def _no_fetch(origin: str, why: str) -> Refused:
    return Refused(Reason.ORIGIN_NOT_ALLOWED, detail=why, about=f"{origin}: {why}")


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(" \t"), value.strip(" \t")
