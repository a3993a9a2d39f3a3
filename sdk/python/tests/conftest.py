"""An issuer for tests: it signs tokens that no real issuer would, counts its requests, and can be stopped."""

import base64
import json
import secrets
import threading
import zlib
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from authserver_resource import VerificationError, Verifier

AUDIENCE = "https://api.example.com"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encoded(value):
    return base64url(json.dumps(value).encode())


def number(value):
    return base64url(value.to_bytes((value.bit_length() + 7) // 8))


class Clock:
    """A clock that only a test moves."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


class Key:
    """A private key with a name, of any of the three algorithms."""

    def __init__(self, kid, algorithm="ES256"):
        self.kid = kid
        self.algorithm = algorithm
        self.private = {
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
        }[algorithm]()

    @property
    def jwk(self):
        public = self.private.public_key()
        if self.algorithm == "EdDSA":
            members = {"kty": "OKP", "crv": "Ed25519", "x": base64url(public.public_bytes_raw())}
        elif self.algorithm == "RS256":
            numbers = public.public_numbers()
            members = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        else:
            numbers = public.public_numbers()
            x, y = numbers.x.to_bytes(32), numbers.y.to_bytes(32)
            members = {"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y)}
        return {**members, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def sign(self, data):
        if self.algorithm == "EdDSA":
            return self.private.sign(data)
        if self.algorithm == "RS256":
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # a full queue would drop connections of a test that makes many at once


class Issuer:
    """`fetches`: paths of requests. `answers` replaces answers. `hold` makes requests to `holds` and below wait.

    The first request sets `asked`.
    """

    def __init__(self, clock):
        self.clock = clock
        self.key = Key("first")
        self.published = [self.key.jwk]
        self.revoked = set()
        self.active = {}
        self.ttl = 8
        self.fetches = []
        self.answers = {}
        self.hold = None
        self.holds = "/"
        self.asked = threading.Event()
        self.metadata = {}
        self.server = None
        self.port = 0
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        """Answer again at the same address."""
        self.server = Server(("127.0.0.1", self.port), self.handler())
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        """Stop: connections are refused."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def handler(self):
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.fetches.append(self.path)
                issuer.asked.set()
                if issuer.hold is not None and self.path.startswith(issuer.holds):
                    issuer.hold.wait(60)
                self.reply(*issuer.answer(self.path))

            def do_POST(self):
                issuer.fetches.append(self.path)
                if issuer.hold is not None and self.path.startswith(issuer.holds):
                    issuer.hold.wait(60)
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                wanted = "Basic " + base64.b64encode(b"the-api:s+cret%2B").decode()
                if self.headers["Authorization"] != wanted:
                    self.reply(401, b"{}")
                else:
                    self.reply(200, json.dumps(issuer.active.get(form["token"][0], {"active": False})).encode())

            def reply(self, status, body, headers=()):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                with suppress(BrokenPipeError, ConnectionResetError):  # a client that had to wait may be gone
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_arguments):
                """Say nothing."""

        return Handler

    def answer(self, path):
        if path in self.answers:
            return self.answers[path]
        if path == "/.well-known/oauth-authorization-server":
            endpoints = {"jwks_uri": self.url + "/jwks", "introspection_endpoint": self.url + "/introspect"}
            return 200, json.dumps({"issuer": self.url, **endpoints, **self.metadata}).encode()
        if path == "/jwks":
            return 200, json.dumps({"keys": self.published}).encode(), [("Cache-Control", "public, max-age=300")]
        if path.startswith("/status/"):
            return 200, self.status_list(path).encode()
        return 404, b""

    def status_list(self, path="/status/0", header=None, key=None, **changes):
        bits = bytearray(2**17)
        for index in self.revoked:
            bits[index // 8] |= 1 << index % 8
        lst = base64url(zlib.compress(bytes(bits), 9))
        claims = {
            "sub": self.url + path,
            "iat": int(self.clock()),
            "exp": int(self.clock()) + 7 * 86400,
            "ttl": self.ttl,
            "status_list": {"bits": 1, "lst": lst},
        }
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        return self.jwt({"typ": "statuslist+jwt", **(header or {})}, claims, key)

    def claims(self, **changes):
        """Return the claims of a good token, with changes. A claim that is changed to None is left out."""
        now = int(self.clock())
        good = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "user-1",
            "client_id": "app-1",
            "sid": "session-1",
            "jti": secrets.token_hex(8),
            "iat": now,
            "exp": now + 900,
            "scope": "read write",
            "status": {"status_list": {"idx": 9, "uri": self.url + "/status/0"}},
        }
        return {name: value for name, value in (good | changes).items() if value is not None}

    def token(self, header=None, key=None, **changes):
        return self.jwt({"typ": "at+jwt", **(header or {})}, self.claims(**changes), key)

    def opaque(self, **changes):
        """Return a token that only `/introspect` knows."""
        token = "asat_" + secrets.token_urlsafe(60)
        self.active[token] = {"active": True, **self.claims(status=None, **changes)}
        return token

    def jwt(self, header, claims, key=None):
        signer = key or self.key
        whole = {"alg": signer.algorithm, "kid": signer.kid, **header}
        text = f"{encoded({n: v for n, v in whole.items() if v is not None})}.{encoded(claims)}"
        return f"{text}.{base64url(signer.sign(text.encode()))}"

    def count(self, path):
        return self.fetches.count(path)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def issuer(clock):
    made = Issuer(clock)
    yield made
    if made.hold is not None:
        made.hold.set()
    made.stop()


@pytest.fixture
def make_verifier(issuer, clock):
    """Return a function that makes a verifier of this issuer's tokens, with changed arguments."""

    def make(**changes):
        # The default of 3 seconds is too short on a busy machine.
        return Verifier(issuer.url, AUDIENCE, **{"clock": clock, "timeout": 60, **changes})

    return make


@pytest.fixture
def verifier(make_verifier):
    return make_verifier()


@pytest.fixture
def new_key():
    return Key


@pytest.fixture
def refused():
    """Return a context manager that expects the error of this code."""

    @contextmanager
    def expect(code):
        with pytest.raises(VerificationError) as caught:
            yield caught
        assert caught.value.code == code

    return expect
