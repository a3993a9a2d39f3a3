"""The device cookie: a browser in which its user has signed in before. It stays after a sign-out."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Response, request

from authserver.pages.cookies import Cookie
from authserver.sign_in.devices import COOKIE_LASTS, Device, DeviceCookies


@dataclass(frozen=True, slots=True)
class KnownBrowser:
    """Reads and writes the cookie of the browser that sends the present request."""

    cookie: Cookie
    values: DeviceCookies

    @classmethod
    def of(cls, issuer: str, values: DeviceCookies) -> KnownBrowser:
        # Lax: a link on another site may lead to a sign-in, and a Strict cookie would be missing there.
        return cls(Cookie.of("authserver-device", issuer, "Lax"), values)

    def device(self) -> Device | None:
        return self.values.device(self.cookie.read(request))

    def remember(self, response: Response, user_id: UUID, password_version: int) -> None:
        """Make it a known device of a user who has just shown this version of the password."""
        value = self.values.value(user_id, password_version, self.cookie.read(request))
        self.cookie.write(response, value, max_age=COOKIE_LASTS)
