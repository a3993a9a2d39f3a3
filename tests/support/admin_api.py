"""A client of the admin API: it sends requests with an access token and asserts nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from authserver.apis.administration import SCOPES
from tests.support.oauth import OAuth, Person
from tests.support.setup import Setup


@dataclass
class AdminApi:
    """Sends requests with an access token. `api.post("/clients", {...})`; every method returns the response."""

    http: httpx.Client
    token: str

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.send("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return self.send("POST", path, **({} if body is None else {"json": body}), **more)

    def put(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return self.send("PUT", path, json=body, **more)

    def patch(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return self.send("PATCH", path, json=body, **more)

    def delete(self, path: str, **more: Any) -> httpx.Response:
        return self.send("DELETE", path, **more)

    def send(
        self, method: str, path: str, *, etag: str | None = None, key: str | None = None, **more: Any
    ) -> httpx.Response:
        """`etag` becomes If-Match, `key` the Idempotency-Key."""
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        headers |= {} if etag is None else {"If-Match": etag}
        headers |= {} if key is None else {"Idempotency-Key": key}
        address = path if path.startswith("/admin/api") else "/admin/api" + path
        return self.http.request(method, address, headers=headers, **more)


def a_program(setup: Setup, http: httpx.Client, *scopes: str) -> AdminApi:
    """A service with these scopes of administration, or with all, that has just asked for its token."""
    app = setup.an_app(kind="service", grants={"client_credentials"}, scopes=set(scopes) or set(SCOPES))
    return AdminApi(http, token_of(OAuth(http, app)))


def token_of(oauth: OAuth, **more: Any) -> str:
    """An access token of an app on its own behalf."""
    response = oauth.own_token(**more)
    assert response.status_code == 200, response.text
    token: str = response.json()["access_token"]
    return token


def administrator_token(setup: Setup, http: httpx.Client, person: Person, *scopes: str) -> str:
    """An access token of a user for administration, through an app that may ask for these scopes, or for all."""
    oauth = OAuth(http, setup.an_app(scopes=set(scopes) or set(SCOPES)))
    response = oauth.sign_in(person)
    assert response.status_code == 200, response.text
    token: str = response.json()["access_token"]
    return token


def segment(text: str) -> str:
    """One segment of a path, with every special character escaped."""
    return quote(text, safe="")


def refused(response: httpx.Response, status: int, kind: str) -> bool:
    """Whether a response is this problem, in the RFC's form, uncacheable."""
    body = response.json()
    return (
        response.status_code == status
        and body["status"] == status
        and body["type"] == f"urn:authserver:problem:{kind}"
        and bool(body["detail"])
        and response.headers["content-type"] == "application/problem+json"
        and "no-store" in response.headers["cache-control"]
    )
