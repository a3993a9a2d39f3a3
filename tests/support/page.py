"""A page of a browser app: it sends the headers of `fetch`, and keeps cookies as its browser does."""

from __future__ import annotations

from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

import httpx

from tests.support.oauth import Person


@dataclass
class Page:
    """A page of `origin` that uses the server as `client_id`; `cookies` are its browser's, for the server's host."""

    http: httpx.Client
    client_id: str
    origin: str
    site: str = "same-site"
    cookies: dict[str, str] = field(default_factory=dict)

    def sign_in(self, person: Person, **more: Any) -> httpx.Response:
        form = {"grant_type": "password", "username": person.username, "password": person.password}
        return self.post("/token", {**form, **more})

    def refresh(self, **more: Any) -> httpx.Response:
        return self.post("/token", {"grant_type": "refresh_token", **more})

    def sign_out(self, **more: Any) -> httpx.Response:
        return self.post("/revoke", more)

    def post(self, path: str, form: dict[str, Any], **headers: str | None) -> httpx.Response:
        """Post a form as the page's `fetch` with credentials does; a header given as None is left out."""
        return self.send("POST", path, data={"client_id": self.client_id, **form}, headers=headers)

    def send(
        self, method: str, path: str, *, data: dict[str, Any] | None = None, headers: dict[str, str | None]
    ) -> httpx.Response:
        """Send a request with the browser's headers and cookies, and keep the cookies of the answer."""
        sent = {
            "Origin": self.origin,
            "Sec-Fetch-Site": self.site,
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Dest": "empty",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()) or None,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        real = {name: value for name, value in sent.items() if value is not None}
        answer = self.http.request(method, path, data=data, headers=real)
        self.http.cookies.clear()  # this class keeps the cookies
        for morsel in set_cookies(answer).values():
            if morsel["max-age"] == "0":
                self.cookies.pop(morsel.key, None)
            else:
                self.cookies[morsel.key] = morsel.value
        return answer


def set_cookies(answer: httpx.Response) -> dict[str, Any]:
    """The cookies that an answer sets, by name, with their attributes."""
    parsed: SimpleCookie = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        parsed.load(header)
    return dict(parsed)
