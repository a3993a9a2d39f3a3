"""A client app in the tests: a small OAuth client that asserts nothing by itself."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import httpx


@dataclass(frozen=True)
class App:
    """A registered client as its developer knows it; `secret` is None for a public one."""

    client_id: str
    secret: str | None

    @property
    def basic(self) -> dict[str, str]:
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret or '')}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


@dataclass(frozen=True)
class Person:
    """A user with the password that they know."""

    id: str
    username: str
    password: str
    email: str | None = None


@dataclass
class OAuth:
    """Speaks to a server as one app: `oauth.sign_in(person)`, `oauth.refresh(token)`, `oauth.revoke(token)`.

    Every method returns the response.
    """

    http: httpx.Client
    app: App
    headers: dict[str, str] = field(default_factory=dict)

    def as_app(self, app: App) -> OAuth:
        return OAuth(self.http, app, self.headers)

    def sign_in(self, person: Person, **more: Any) -> httpx.Response:
        return self.token(grant_type="password", username=person.username, password=person.password, **more)

    def refresh(self, refresh_token: str, **more: Any) -> httpx.Response:
        return self.token(grant_type="refresh_token", refresh_token=refresh_token, **more)

    def own_token(self, **more: Any) -> httpx.Response:
        return self.token(grant_type="client_credentials", **more)

    def token(self, **form: Any) -> httpx.Response:
        return self.post("/token", form)

    def revoke(self, token: str, **more: Any) -> httpx.Response:
        return self.post("/revoke", {"token": token, **more})

    def post(self, path: str, form: dict[str, Any]) -> httpx.Response:
        """Post a form with this app's authentication: Basic, or the bare client_id of a public app."""
        if self.app.secret is None:
            return self.http.post(path, data={"client_id": self.app.client_id, **form}, headers=self.headers)
        return self.http.post(path, data=form, headers={**self.app.basic, **self.headers})


def claims(access_token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    part = access_token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def refused_as(response: httpx.Response, error: str, status: int = 400) -> bool:
    """Whether a response is this OAuth error in the RFC's form, with a reference, and must not be cached."""
    body = response.json()
    return (
        response.status_code == status
        and body["error"] == error
        and bool(body["error_description"])
        and bool(body["reference"])
        and "no-store" in response.headers["cache-control"]
    )
