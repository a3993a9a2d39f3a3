"""The kinds of requests that are measured. Each kind verifies its answers.

A kind belongs to one connection. It makes the bytes of the next request and takes the answer. It keeps the last access
token and each hundredth, which are verified as an API does it after the clock has stopped.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import cycle
from typing import Any
from urllib.parse import urlencode

_SAMPLE = 100


class WrongAnswer(Exception):
    """The answer is not the one that the request must get."""


PATHS = {
    "jwks": "/.well-known/jwks.json",
    "metadata": "/.well-known/oauth-authorization-server",
}


@dataclass
class Target:
    """The address of a server and the credentials for it, for the process that makes the load.

    All users have the same password, and connections take turns with them. `tokens` are refresh tokens of sessions of the
    client, which "spread" uses.
    """

    port: int
    client_id: str
    secret: str
    usernames: list[str]
    password: str
    audience: str
    paths: dict[str, str] = field(default_factory=lambda: dict(PATHS))
    tokens: list[str] = field(default_factory=list)

    @cached_property
    def next_username(self) -> Iterator[str]:
        """A user for each connection that signs in."""
        return cycle(self.usernames)

    @cached_property
    def unused(self) -> Iterator[str]:
        """The tokens that no connection has presented yet."""
        return iter(self.tokens)


class Get:
    """GET a public document: the answer must be a 200 with JSON that has this member."""

    def __init__(self, target: Target, name: str, member: str) -> None:
        self._request = f"GET {target.paths[name]} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        self._member = member
        self._verified_body = b""

    def next(self) -> bytes:
        return self._request

    def take(self, status: int, body: bytes) -> None:
        if status != 200:
            raise WrongAnswer(f"{status}: {body[:200]!r}")
        if body != self._verified_body:
            if not json.loads(body)[self._member]:
                raise WrongAnswer(f"no {self._member}: {body[:200]!r}")
            self._verified_body = body

    def sample(self) -> list[str]:
        """Return no tokens: the document holds none."""
        return []


class Token:
    """POST /token: the answer must be a 200 with an access token other than the last."""

    def __init__(self, target: Target, **form: str) -> None:
        pair = base64.b64encode(f"{target.client_id}:{target.secret}".encode()).decode()
        self._rest = (
            f" HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {pair}\r\n"
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
            raise WrongAnswer(f"{status}: {body[:200]!r}")
        answer = json.loads(body)
        access_token = answer["access_token"]
        if access_token == self._last or answer["token_type"] != "Bearer":
            raise WrongAnswer("the same access token again")
        self._last = access_token
        if self._count % _SAMPLE == 0:
            self._sample.append(access_token)
        self._count += 1
        self._prepare_next(answer)

    def sample(self) -> list[str]:
        """Return the access tokens that were kept, and forget them: each hundredth, and the last."""
        kept, self._sample = {*self._sample, self._last}, []
        return [token for token in kept if token]

    def _prepare_next(self, answer: dict[str, Any]) -> None:
        """Take values for the next request from this answer."""

    def _encoded(self) -> bytes:
        return self._posted("/token", self._form)

    def _posted(self, path: str, fields: dict[str, str]) -> bytes:
        form = urlencode(fields)
        return f"POST {path}{self._rest}{len(form)}\r\n\r\n{form}".encode()


class Refresh(Token):
    """A refresh: each answer must hold a new refresh token, which the next request presents."""

    def __init__(self, target: Target, refresh_token: str) -> None:
        super().__init__(target, grant_type="refresh_token", refresh_token=refresh_token)

    def _prepare_next(self, answer: dict[str, Any]) -> None:
        if answer["refresh_token"] == self._form["refresh_token"]:
            raise WrongAnswer("the refresh token did not rotate")
        self._form["refresh_token"] = answer["refresh_token"]
        self._request = self._encoded()


class Spread(Refresh):
    """A refresh of another session each time, so that no page of the table is in memory because of the last one."""

    def __init__(self, target: Target) -> None:
        super().__init__(target, next(target.unused))
        self._target = target

    def _prepare_next(self, answer: dict[str, Any]) -> None:
        super()._prepare_next(answer)
        self._form["refresh_token"] = next(self._target.unused, answer["refresh_token"])
        self._request = self._encoded()


class SignInAndOut:
    """A sign-in, then a sign-out: the number of sessions stays."""

    def __init__(self, target: Target) -> None:
        self._signing_in = SignIn(target)
        self._target = target
        self._token = ""

    def next(self) -> bytes:
        return self._signing_in.revocation(self._token) if self._token else self._signing_in.next()

    def take(self, status: int, body: bytes) -> None:
        if self._token:
            if status != 200:
                raise WrongAnswer(f"{status}: {body[:200]!r}")
            self._token = ""
        else:
            self._signing_in.take(status, body)
            self._token = self._signing_in.refresh_token

    def sample(self) -> list[str]:
        """Return no tokens: they are revoked."""
        return []


class SignIn(Token):
    """A password sign-in. It keeps the refresh token, with which a Refresh begins."""

    refresh_token = ""

    def __init__(self, target: Target) -> None:
        super().__init__(target, grant_type="password", username=next(target.next_username), password=target.password)

    def _prepare_next(self, answer: dict[str, Any]) -> None:
        self.refresh_token = answer["refresh_token"]

    def revocation(self, token: str) -> bytes:
        """The request that signs out."""
        return self._posted("/revoke", {"token": token})


Kind = Get | Token | SignInAndOut


def make(name: str, target: Target, refresh_token: str) -> Kind:
    """Return the kind of this name. Only "refresh" needs `refresh_token`."""
    match name:
        case "client credentials":
            return Token(target, grant_type="client_credentials")
        case "refresh":
            return Refresh(target, refresh_token)
        case "spread":
            return Spread(target)
        case "password":
            return SignIn(target)
        case "sign in and out":
            return SignInAndOut(target)
        case "jwks":
            return Get(target, "jwks", "keys")
        case "metadata":
            return Get(target, "metadata", "issuer")
    raise KeyError(name)
