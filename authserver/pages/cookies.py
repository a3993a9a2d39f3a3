"""Cookies of the server's own pages: HttpOnly, for this host alone, and not sent with requests of other sites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flask import Request, Response

from authserver.urls import cookie_name, is_https

SameSite = Literal["Strict", "Lax"]


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie, by its full name."""

    name: str
    secure: bool
    same_site: SameSite

    @classmethod
    def of(cls, name: str, issuer: str, same_site: SameSite = "Strict") -> Cookie:
        return cls(cookie_name(name, issuer), is_https(issuer), same_site)

    def read(self, request: Request) -> str | None:
        """Its value; None if the name is sent twice: an attacker may have planted one, and both look alike."""
        values = request.cookies.getlist(self.name)
        return values[0] if len(values) == 1 else None

    def write(self, response: Response, value: str, *, max_age: int | None = None) -> None:
        """Set it for `max_age` seconds; without `max_age` until the browser is closed."""
        response.set_cookie(
            self.name, value, max_age=max_age, path="/", secure=self.secure, httponly=True, samesite=self.same_site
        )

    def clear(self, response: Response) -> None:
        response.delete_cookie(self.name, path="/", secure=self.secure, httponly=True, samesite=self.same_site)
