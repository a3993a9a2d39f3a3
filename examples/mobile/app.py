"""A mobile app as a command: it signs in, keeps both tokens in its own storage, calls an API, refreshes and signs out.

Authlib does the protocol. This file adds the rest: it keeps the tokens, stores a new refresh token before anything else
happens, and repeats a refresh whose answer was lost.
"""

from __future__ import annotations

import argparse
import fcntl
import getpass
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

# All tries fit into the 30 seconds of the server's retry window.
PATIENCE = Retry(total=4, backoff_factor=0.5, status_forcelist=[429, 502, 503, 504], allowed_methods=None)
TIMEOUT = 5


class SignedOut(Exception):
    """There is no session: the user has to sign in."""


class Storage:
    """Stands for the keychain of a phone: a file that only this user may read, and that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def load(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self.path.read_text())
        except FileNotFoundError:
            return None
        return found

    def store(self, token: dict[str, Any]) -> None:
        """Write the tokens to the disk before returning: a phone may lose its power at any time."""
        fresh = self.path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(token, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one process in at a time. The next one finds the tokens of the last."""
        with self.path.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class Device:
    """The app on one device."""

    def __init__(self, issuer: str, client_id: str, api: str, storage: Storage) -> None:
        self._issuer = issuer.rstrip("/")
        self._client_id = client_id
        self._api = api
        self._storage = storage

    def sign_in(self, username: str, password: str, device_name: str) -> None:
        # No automatic retry: each sign-in would open a new session.
        with self._client(None, Retry(0)) as client:
            token = client.fetch_token(
                f"{self._issuer}/token",
                grant_type="password",
                username=username,
                password=password,
                device_name=device_name,
                timeout=TIMEOUT * 6,
            )
        self._storage.store(token)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        """Call the API. Authlib first refreshes a token that is about to expire. After a 401 refresh and try once more.

        Raises:
            SignedOut: the session has ended.
        """
        with self._client(self._stored(), PATIENCE) as client:
            try:
                answer: requests.Response = client.request(method, self._api + path, json=body)
                if answer.status_code == requests.codes.unauthorized:
                    client.refresh_token(f"{self._issuer}/token")
                    answer = client.request(method, self._api + path, json=body)
            except OAuthError as error:
                if error.error != "invalid_grant":
                    raise
                # The session has ended. Any other failure keeps the tokens, and the next call tries again.
                self._storage.forget()
                raise SignedOut from error
        return answer

    def sign_out(self) -> None:
        """End the session. Delete the tokens only after the answer, so the user can repeat an offline sign-out."""
        token = self._stored()
        with self._client(token, PATIENCE) as client:
            client.revoke_token(f"{self._issuer}/revoke", token["refresh_token"]).raise_for_status()
        self._storage.forget()

    def _stored(self) -> dict[str, Any]:
        token = self._storage.load()
        if token is None:
            raise SignedOut
        return token

    def _client(self, token: dict[str, Any] | None, patience: Retry) -> OAuth2Session:
        client = OAuth2Session(
            self._client_id,
            token=token,
            token_endpoint=f"{self._issuer}/token",
            default_timeout=TIMEOUT,
            # Authlib calls this with new tokens before it sends the request that needs them.
            update_token=lambda new, **_old: self._storage.store(new),
        )
        for server in {self._issuer, self._api}:
            client.mount(server, HTTPAdapter(max_retries=patience if server == self._issuer else Retry(0)))
        return client


def main() -> int:
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--issuer", default="http://127.0.0.1:8000", help="the authorization server")
    parser.add_argument("--client-id", default="demo-app", help="a public client of the kind `mobile`")
    parser.add_argument("--api", default="http://127.0.0.1:8001", help="address of the example API")
    parser.add_argument("--storage", type=Path, default=Path(home) / "authserver-example" / "tokens.json")
    commands = parser.add_subparsers(dest="command", required=True)
    sign_in = commands.add_parser("sign-in", help="asks for the password, or reads it from a pipe")
    sign_in.add_argument("username", help="user name or e-mail address")
    sign_in.add_argument("--device-name", default="Example phone")
    profile = commands.add_parser("profile", help="show the profile that the API keeps, or change it")
    profile.add_argument("--name", help="a new display name")
    commands.add_parser("sign-out", help="end the session on the server, and forget the tokens")
    options = parser.parse_args()

    if urlsplit(options.issuer).hostname in {"127.0.0.1", "localhost", "::1"}:
        # Authlib refuses http, rightly. Requests to this machine do not cross a network.
        os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    storage = Storage(options.storage)
    device = Device(options.issuer, options.client_id, options.api, storage)
    try:
        with storage.alone():
            print(_run(device, options))  # noqa: T201 - what the user sees
    except SignedOut:
        return _fail("You are not signed in. Sign in first: app.py sign-in NAME")
    except OAuthError as error:
        return _fail(f"The server refused: {error.description or error.error}")
    except requests.RequestException as error:
        return _fail(f"The request failed. Try again: {type(error).__name__}")
    return 0


def _run(device: Device, options: argparse.Namespace) -> str:
    if options.command == "sign-in":
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        device.sign_in(options.username, password, options.device_name)
        return "Signed in."
    if options.command == "sign-out":
        device.sign_out()
        return "Signed out."
    change = None if options.name is None else {"display_name": options.name}
    answer = device.call("GET" if change is None else "PUT", "/profile", change)
    answer.raise_for_status()
    return json.dumps(answer.json())


def _fail(text: str) -> int:
    print(text, file=sys.stderr)  # noqa: T201 - what the user sees
    return 1


if __name__ == "__main__":
    sys.exit(main())
