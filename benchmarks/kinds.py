"""The requests that are measured, and how an answer to each is verified.

A kind belongs to one connection: it makes the bytes of the next request, and takes its answer. The last access token
of every connection and each hundredth are kept, to be verified as an API would once the clock has stopped.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

_SAMPLE = 100


class Wrong(Exception):
    """An answer that is not what the request must get."""


@dataclass
class Target:
    """A server, and who may ask it: as handed to the process that makes the load."""

    port: int
    client_id: str
    secret: str
    username: str
    password: str
    audience: str
    paths: dict[str, str] = field(default_factory=lambda: dict(PATHS))


PATHS = {
    "jwks": "/.well-known/jwks.json",
    "metadata": "/.well-known/oauth-authorization-server",
}


class Get:
    """A public document: 200, JSON, and the member that makes it what it is."""

    def __init__(self, target: Target, name: str, member: str) -> None:
        self._request = f"GET {target.paths[name]} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        self._member = member
        self._seen = b""

    def next(self) -> bytes:
        return self._request

    def take(self, status: int, body: bytes) -> None:
        if status != 200:
            raise Wrong(f"{status}: {body[:200]!r}")
        if body != self._seen:
            if not json.loads(body)[self._member]:
                raise Wrong(f"no {self._member}: {body[:200]!r}")
            self._seen = body

    def sample(self) -> list[str]:
        """Nothing of it is signed."""
        return []


class Token:
    """POST /token: 200 and an access token that no earlier answer on this connection had."""

    def __init__(self, target: Target, **form: str) -> None:
        pair = base64.b64encode(f"{target.client_id}:{target.secret}".encode()).decode()
        self._head = (
            f"POST /token HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {pair}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
        )
        self._form = form
        self._request = self._encoded()
        self._count = 0
        self._last = ""
        self._sample: list[str] = []

    def next(self) -> bytes:
        return self._request

    def take(self, status: int, body: bytes) -> None:
        if status != 200:
            raise Wrong(f"{status}: {body[:200]!r}")
        answer = json.loads(body)
        access_token = answer["access_token"]
        if access_token == self._last or answer["token_type"] != "Bearer":
            raise Wrong("the same access token again")
        self._last = access_token
        if self._count % _SAMPLE == 0:
            self._sample.append(access_token)
        self._count += 1
        self._follow(answer)

    def sample(self) -> list[str]:
        """Hand over the access tokens that were kept: each hundredth, and the last."""
        kept, self._sample = {*self._sample, self._last}, []
        return [token for token in kept if token]

    def _follow(self, answer: dict[str, Any]) -> None:
        """What the next request takes from this answer."""

    def _encoded(self) -> bytes:
        form = urlencode(self._form)
        return f"{self._head}{len(form)}\r\n\r\n{form}".encode()


class Refresh(Token):
    """A session's refresh: every answer must bring a new refresh token, and the next request presents it."""

    def __init__(self, target: Target, refresh_token: str) -> None:
        super().__init__(target, grant_type="refresh_token", refresh_token=refresh_token)

    def _follow(self, answer: dict[str, Any]) -> None:
        if answer["refresh_token"] == self._form["refresh_token"]:
            raise Wrong("the refresh token did not rotate")
        self._form["refresh_token"] = answer["refresh_token"]
        self._request = self._encoded()


class SignIn(Token):
    """A password sign-in; its refresh token is kept for whoever needs a session."""

    refresh_token = ""

    def __init__(self, target: Target) -> None:
        super().__init__(target, grant_type="password", username=target.username, password=target.password)

    def _follow(self, answer: dict[str, Any]) -> None:
        self.refresh_token = answer["refresh_token"]


Kind = Get | Token


def make(name: str, target: Target, refresh_token: str) -> Kind:
    """The kind of a name; `refresh_token` is for "refresh" alone."""
    match name:
        case "client credentials":
            return Token(target, grant_type="client_credentials")
        case "refresh":
            return Refresh(target, refresh_token)
        case "password":
            return SignIn(target)
        case "jwks":
            return Get(target, "jwks", "keys")
        case "metadata":
            return Get(target, "metadata", "issuer")
    raise KeyError(name)
