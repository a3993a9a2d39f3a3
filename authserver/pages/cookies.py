"""Cookies of the server's own pages: HttpOnly, SameSite=Strict, for this host alone."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Request, Response

from authserver.urls import cookie_name, is_https


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie, by its full name."""

    name: str
    secure: bool

    @classmethod
    def of(cls, name: str, issuer: str) -> Cookie:
        return cls(cookie_name(name, issuer), is_https(issuer))

    def read(self, request: Request) -> str | None:
        """Its value; None if the name is sent twice: an attacker may have planted one, and both look alike."""
        values = request.cookies.getlist(self.name)
        return values[0] if len(values) == 1 else None

    def write(self, response: Response, value: str, *, max_age: int | None = None) -> None:
        """Set it for `max_age` seconds; without `max_age` until the browser is closed."""
        response.set_cookie(
            self.name, value, max_age=max_age, path="/", secure=self.secure, httponly=True, samesite="Strict"
        )

    def clear(self, response: Response) -> None:
        response.delete_cookie(self.name, path="/", secure=self.secure, httponly=True, samesite="Strict")
