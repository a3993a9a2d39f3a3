"""Tokens in cookies: names, attributes, and which requests of a browser app count. Pure."""

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
#: What a `fetch` of a page says of itself (Fetch Metadata); a form, a navigation, an image or a frame says otherwise.
_MODES: Final = frozenset({"cors", "same-origin"})

Header = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class CookieJar:
    """Names and attributes of the cookies of one issuer."""

    issuer: str

    def refresh_name(self, client: Client) -> str:
        return self._name(_REFRESH, client)

    def access_name(self, client: Client) -> str:
        return self._name(_ACCESS, client)

    def set(self, name: str, value: str, max_age: int) -> str:
        """The value of Set-Cookie; `max_age` in seconds, 0 clears."""
        secure = "; Secure" if is_https(self.issuer) else ""
        return f"{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}"

    def check_origin(self, client: Client, header: Header) -> str:
        """Return the origin of a request for a client with cookies, which has to be one of the client's.

        Sign-in and sign-out too: a foreign page that signs a user in as somebody else, or out, is an attack as well.
        `Sec-Fetch-*` that contradicts refuses; browsers that do not send it leave the decision to `Origin`.

        Raises:
            Refused: no origin, a foreign one, or a request that no page of the origin makes.
        """
        origin = header("Origin")
        if origin is None:
            raise Refused(Reason.ORIGIN_NOT_ALLOWED, detail="no Origin")
        if origin not in client.origins:
            raise Refused(Reason.ORIGIN_NOT_ALLOWED, detail="an origin that the client has not registered")
        expected = "same-origin" if origin == origin_of(self.issuer) else "same-site"
        if header("Sec-Fetch-Site") not in (None, expected):
            raise Refused(Reason.ORIGIN_NOT_ALLOWED, detail=f"Sec-Fetch-Site is not {expected}")
        if header("Sec-Fetch-Mode") not in (None, *_MODES):
            raise Refused(Reason.ORIGIN_NOT_ALLOWED, detail="Sec-Fetch-Mode is no fetch of a page")
        if header("Sec-Fetch-Dest") not in (None, "empty"):
            raise Refused(Reason.ORIGIN_NOT_ALLOWED, detail="Sec-Fetch-Dest is no fetch of a page")
        return origin

    def _name(self, kind: str, client: Client) -> str:
        return cookie_name(kind + client.client_id, self.issuer)


def read_cookie(cookies: str | None, name: str) -> str | None:
    """The value of one cookie in a Cookie header; None when it is not there or empty.

    Raises:
        Refused: it is there twice. One of the two was planted, and nobody can tell which.
    """
    found = [value for key, value in map(_pair, (cookies or "").split(";")) if key == name and value]
    if len(set(found)) > 1:
        raise Refused(Reason.MALFORMED_REQUEST, detail="a cookie that is there twice")
    return found[0] if found else None


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(" \t"), value.strip(" \t")
