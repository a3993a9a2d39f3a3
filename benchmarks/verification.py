"""How fast an API verifies access tokens: our library beside PyJWT and Authlib's RFC 9068 validator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jwt
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from authserver_resource import Verifier
from authserver_resource.flask import Api
from authserver_resource.gate import Gate
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from flask import Flask
from joserfc.jwk import KeySet
from werkzeug.test import EnvironBuilder

from tests.support.oauth import OAuth, claims
from tests.support.server import LiveServer
from tests.support.setup import API, make_setup

TITLES = ["verification", "µs a token (CPU)", "against", "guide"]


def measure(tokens: int, rounds: int) -> Iterator[list[str]]:
    """Yield a row for each way. The cheapest round counts, because other work on the machine only adds to it."""
    with TemporaryDirectory(prefix="authserver-bench-") as directory:
        setup = make_setup("sqlite", Path(directory))
        setup.an_api()
        server = LiveServer(setup).start()
        try:
            with server.http() as http:
                oauth = OAuth(http, setup.an_app())
                fresh = [oauth.own_token().json()["access_token"] for _ in range(tokens)]
                jwks = http.get("/.well-known/jwks.json").json()
            yield from _rows(server.url, fresh, jwks, rounds)
        finally:
            server.stop()
            setup.close()


def _rows(issuer: str, tokens: list[str], jwks: Any, rounds: int) -> Iterator[list[str]]:
    key_set = KeySet.import_key_set(jwks)
    public = jwt.PyJWKSet.from_dict(jwks)[jwt.get_unverified_header(tokens[0])["kid"]].key

    def bare(token: str) -> None:
        signed, _, signature = token.rpartition(".")
        raw = jwt.utils.base64url_decode(signature)
        der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        public.verify(der, signed.encode(), ec.ECDSA(SHA256()))

    def pyjwt(token: str) -> None:
        jwt.decode(token, public, algorithms=["ES256"], audience=API, issuer=issuer)

    class Validator(JWTBearerTokenValidator):  # type: ignore[misc]
        def get_jwks(self) -> KeySet:
            return key_set

    validator = Validator(issuer, API)

    def authlib(token: str) -> None:
        validator.validate_token(validator.authenticate_token(token), ["read"], None)

    def new_verifier() -> Callable[[str], object]:
        verifier = Verifier(issuer, API)
        verifier.verify(tokens[0])  # fetch metadata, keys and the status list before the clock starts
        return lambda token: verifier.verify(token, "read")

    floor = _best(tokens, rounds, lambda: bare)
    reference = _best(tokens, rounds, lambda: pyjwt)
    skeleton = _best(tokens, rounds, lambda: authlib)
    first = _best(tokens[1:], rounds, new_verifier)
    seen = new_verifier()
    for token in tokens:
        seen(token)
    again = _best(tokens, rounds, lambda: seen)
    assert claims(tokens[0])["status"]
    yield ["ES256 by cryptography, nothing else", f"{floor:.1f}", "", ""]
    yield ["authserver_resource, first sight", f"{first:.1f}", f"{first / floor:.2f} x bare", "at most 1.35 x bare"]
    yield ["PyJWT", f"{reference:.1f}", f"{reference / floor:.2f} x bare", ""]
    yield ["Authlib's RFC 9068 validator", f"{skeleton:.1f}", f"{skeleton / floor:.2f} x bare", ""]
    yield [
        "authserver_resource, seen before (status and expiry checked)",
        f"{again:.1f}",
        f"{reference / again:.0f} x faster than PyJWT",
        "at least 15 x",
    ]
    yield [
        "what the Flask adapter adds to a request, all of that included",
        f"{_adapter(issuer, tokens[0], rounds):.1f}",
        "",
        "",
    ]


def _adapter(issuer: str, token: str, rounds: int) -> float:
    """Return how many microseconds of CPU a protected route costs more than an open one."""
    app = Flask("benchmark")
    api = Api(Gate(Verifier(issuer, API)), app)
    app.add_url_rule("/open", "open", lambda: "ok")
    app.add_url_rule("/protected", "protected", api.require("read")(lambda: "ok"))

    def ask(path: str) -> Callable[[str], object]:
        environ = EnvironBuilder(path=path, headers=[("Authorization", f"Bearer {token}")]).get_environ()
        return lambda _: list(app(dict(environ), lambda *_: None))  # type: ignore[arg-type]

    assert ask("/protected")("") == [b"ok"]
    requests = [""] * 2000
    return _best(requests, rounds, lambda: ask("/protected")) - _best(requests, rounds, lambda: ask("/open"))


def _best(tokens: list[str], rounds: int, make: Callable[[], Callable[[str], object]]) -> float:
    """The CPU time of one token in the cheapest of some rounds, in microseconds."""
    figures = []
    for _ in range(rounds):
        verify = make()
        started = time.thread_time()
        for token in tokens:
            verify(token)
        figures.append((time.thread_time() - started) / len(tokens) * 1e6)
    return min(figures)
