"""Cookies of our pages: HttpOnly, SameSite=Strict, for this host alone.

The prefix `__Host-` makes browsers refuse such a cookie from a sibling host, from http and for a narrower path, so that
nobody plants one. On http, which only a development issuer on loopback has, there can be neither prefix nor `Secure`.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Request, Response


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie, by its name for an https issuer without the prefix."""

    name: str
    secure: bool

    @classmethod
    def of(cls, name: str, issuer: str) -> Cookie:
        secure = issuer.startswith("https://")
        return cls(f"__Host-{name}" if secure else name, secure)

    def read(self, request: Request) -> str | None:
        """Its value. Sent twice under one name, one of them was planted, and nobody can tell which: neither counts."""
        values = request.cookies.getlist(self.name)
        return values[0] if len(values) == 1 else None

    def write(self, response: Response, value: str, *, max_age: int | None = None) -> None:
        """Set it; without `max_age` (seconds) until the browser is closed."""
        response.set_cookie(
            self.name, value, max_age=max_age, path="/", secure=self.secure, httponly=True, samesite="Strict"
        )

    def clear(self, response: Response) -> None:
        response.delete_cookie(self.name, path="/", secure=self.secure, httponly=True, samesite="Strict")
