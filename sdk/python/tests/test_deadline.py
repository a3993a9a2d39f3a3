"""A server that sends byte by byte evades every time-out of a socket, and not the deadline of a request."""

import gzip
import itertools
import socket
import ssl
import threading
import time
from contextlib import suppress

import pytest

from authserver_resource import VerificationError, Verifier
from authserver_resource.fetching import Fetcher

TIMEOUT = 0.15
#: A machine with other work is slow; without a deadline these servers would take minutes.
SOON = 12


class Dripping:
    """Sends the start at once, and then these pieces one after the other until the client has had enough."""

    def __init__(self, start, pieces, tick=0.05):
        self._start, self._pieces, self._tick = start, pieces, tick
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.had_enough = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=self._listener.accept()[:1], daemon=True).start()

    def _serve(self, connection):
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(self._start)
            for piece in self._pieces():
                connection.sendall(piece)
                if self._ended.wait(self._tick):
                    return
        self.had_enough.set()

    def close(self):
        self._ended.set()
        self._listener.close()


@pytest.fixture
def dripping():
    """Return a function that starts such a server."""
    made = []

    def make(*arguments, **named):
        made.append(Dripping(*arguments, **named))
        return made[-1]

    yield make
    for server in made:
        server.close()


def forever(piece):
    return lambda: itertools.repeat(piece)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("start", "pieces"),
    [
        (b"", forever(b"H")),
        (b"HTTP/1.1 200 ", forever(b"O")),
        (OK + b"X: ", forever(b"x")),
        (b"", forever(b"HTTP/1.1 100 Continue\r\n\r\n")),
        (OK + b"Content-Length: 1000000\r\n\r\n", forever(b" ")),
        (OK + b"\r\n", forever(b" ")),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", forever(b"1\r\n \r\n")),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", forever(b"0")),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\n", forever(b"X: y\r\n")),
        (b"HTTP/1.1 500 No\r\nContent-Length: 1000000\r\n\r\n", forever(b" ")),
    ],
)
def test_no_dripping_server_keeps_a_call_or_its_thread(dripping, start, pieces):
    server = dripping(start, pieces)
    verifier = Verifier(f"http://127.0.0.1:{server.port}", "https://api.example.com", timeout=TIMEOUT)
    started = time.monotonic()
    with pytest.raises(VerificationError) as caught:
        verifier.warm_up()
    assert caught.value.code == "keys_unavailable"
    assert time.monotonic() - started < SOON
    assert server.had_enough.wait(SOON)  # the request has ended, too, and its thread is free


def test_a_dripping_handshake_of_tls_ends_too(dripping):
    server = dripping(b"\x16\x03\x03\x40\x00", forever(b"\x02"))
    verifier = Verifier(f"https://127.0.0.1:{server.port}", "https://api.example.com", timeout=TIMEOUT)
    started = time.monotonic()
    with pytest.raises(VerificationError):
        verifier.warm_up()
    assert time.monotonic() - started < SOON
    assert server.had_enough.wait(SOON)


def test_a_body_that_drips_through_tls_ends_too(tmp_path, monkeypatch):
    certificate, listener = self_signed(tmp_path), socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    had_enough = threading.Event()

    def serve():
        with context.wrap_socket(listener.accept()[0], server_side=True) as connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(OK + b"Content-Length: 1000000\r\n\r\n")
            while not had_enough.wait(0.1):
                connection.sendall(b" ")
        had_enough.set()

    threading.Thread(target=serve, daemon=True).start()
    verifier = Verifier(f"https://127.0.0.1:{listener.getsockname()[1]}", "https://api.example.com", timeout=TIMEOUT)
    started = time.monotonic()
    with pytest.raises(VerificationError, match="no whole answer within the time-out"):
        verifier.warm_up()
    assert time.monotonic() - started < SOON
    assert had_enough.wait(SOON)
    listener.close()


def test_an_address_that_is_dead_leaves_time_for_the_next(issuer, monkeypatch):
    """A host has several addresses, and the first drops what it gets."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    crowd = [socket.socket() for _ in range(4)]
    for other in crowd:
        other.setblocking(False)
        other.connect_ex(full.getsockname())
    places = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in (full.getsockname(), ("127.0.0.1", issuer.port))
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_n: places)
    try:
        assert Fetcher(2, time.time).get(issuer.url + "/jwks", "application/json").json()["keys"]
    finally:
        for other in [full, *crowd]:
            other.close()


def test_a_bomb_of_gzip_is_not_inflated(issuer, make_verifier, refused):
    bomb = gzip.compress(bytes(2**26))
    assert len(bomb) < 2**20
    for path in ("/jwks", "/status/0"):
        verifier = make_verifier(status="fail_closed")
        issuer.answers = {path: (200, bomb, [("Content-Encoding", "gzip")])}
        with refused("keys_unavailable" if path == "/jwks" else "status_unavailable"):
            verifier.verify(issuer.token())


def self_signed(folder):
    """Write a certificate of 127.0.0.1 with its key."""
    import datetime as dt
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "both.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + made.public_bytes(pem)
    )
    return file
