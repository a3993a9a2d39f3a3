"""An issuer with a key and a key set on an HTTP server. It signs any claims and counts requests for its key set."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.ports import free_port


@dataclass
class Key:
    """A P-256 key with a name."""

    kid: str
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def jwk(self) -> dict[str, Any]:
        public = jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "alg": "ES256", "use": "sig"}

    @property
    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Issuer:
    """`published` are the keys of its key set; `fetches` counts the requests for it. `online()` makes it reachable."""

    def __init__(self, audience: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.audience = audience
        self.key = Key("first")
        self.published = [self.key]
        self.fetches = 0

    @contextmanager
    def online(self) -> Iterator[None]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetches += 1
                body = json.dumps({"keys": [key.jwk for key in issuer.published]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", self.port), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token, with changes. A claim changed to None is left out."""
        now = int(time.time())
        good = {
            "iss": self.url,
            "aud": self.audience,
            "sub": "user-1",
            "client_id": "app-1",
            "jti": secrets.token_hex(8),
            "iat": now,
            "exp": now + 900,
            "scope": "profile:read profile:write",
        }
        return {name: value for name, value in (good | changes).items() if value is not None}

    def token(self, *, key: Key | None = None, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """A token signed with ES256 by the issuer's key or by `key`. A header changed to None is left out."""
        signer = key or self.key
        headers = {"kid": signer.kid, "typ": "at+jwt", **(header or {})}
        if headers["kid"] is None:
            del headers["kid"]  # PyJWT leaves out a `typ` that is None by itself
        return jwt.encode(self.claims(**changes), signer.private, algorithm="ES256", headers=headers)

    def unsigned(self) -> str:
        """A token of the algorithm "none"."""
        return f"{encoded({'alg': 'none', 'typ': 'at+jwt', 'kid': self.key.kid})}.{encoded(self.claims())}."

    def signed_with_the_public_key_as_secret(self, algorithm: str = "HS256") -> str:
        """The classic attack: an HMAC with the public key as its secret."""
        head = encoded({"alg": algorithm, "typ": "at+jwt", "kid": self.key.kid})
        text = f"{head}.{encoded(self.claims())}"
        return f"{text}.{base64url(hmac.new(self.key.pem, text.encode(), hashlib.sha256).digest())}"


def encoded(value: dict[str, Any]) -> str:
    return base64url(json.dumps(value).encode())


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
