"""A proxy with TLS for many hosts. It sees every request, and can lose, hold or answer it."""

from __future__ import annotations

import datetime as dt
import http.client
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

#: Headers of one connection only (RFC 9110 section 7.6.1), and headers that the proxy writes itself.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "upgrade", "te", "trailer"}
Headers = list[tuple[str, str]]


@dataclass
class Exchange:
    """A request, and its answer when it is there. `host` has no port; header names are lower-case."""

    method: str
    host: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int = 0
    answer_headers: Headers = field(default_factory=list)
    answer: bytes = b""

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form body."""
        return {name: values[0] for name, values in parse_qs(self.body.decode("latin-1")).items()}

    def is_a(self, grant_type: str) -> bool:
        """Whether it is a request for tokens by this grant."""
        return self.method == "POST" and self.path.endswith("/token") and self.form.get("grant_type") == grant_type


@dataclass(frozen=True)
class Route:
    """Where requests for a host go: to a port of this machine, below a path, which may be cut off."""

    host: str
    port: int
    prefix: str = "/"
    strip: bool = False


Watcher = Callable[[Exchange], bool]


class TlsProxy:
    """Speaks TLS on one port under any name, and hands requests on. No route is 404, no server 502.

    `on_request` and `on_answer` are called in the thread of the request and may wait. If one returns False, the
    connection breaks. Every connection serves one request, so that a browser has no reason to repeat one by itself.
    """

    def __init__(self, directory: Path, *names: str) -> None:
        self.certificate = make_certificate(directory, *names)
        self.routes: list[Route] = []
        #: What the proxy answers itself: host and path to content type and body.
        self.pages: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.exchanges: list[Exchange] = []
        self.on_request: Watcher = lambda _: True
        self.on_answer: Watcher = lambda _: True
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.context.load_cert_chain(self.certificate)

    @property
    def port(self) -> int:
        port: int = self._server.server_address[1]
        return port

    @contextmanager
    def running(self) -> Iterator[TlsProxy]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def seen(self, grant_type: str) -> list[Exchange]:
        """The requests for tokens by this grant so far, in the order in which they came."""
        return [exchange for exchange in list(self.exchanges) if exchange.is_a(grant_type)]

    def serve(self, exchange: Exchange) -> bool:
        """Fill in the answer; False if the connection must break instead."""
        self.exchanges.append(exchange)
        if not self.on_request(exchange):
            return False
        own = self.pages.get((exchange.host, exchange.path.partition("?")[0]))
        if own is not None:
            exchange.status, exchange.answer_headers, exchange.answer = 200, [("Content-Type", own[0])], own[1]
        else:
            self._hand_on(exchange)
        return self.on_answer(exchange)

    def _hand_on(self, exchange: Exchange) -> None:
        routes = [r for r in self.routes if r.host == exchange.host and exchange.path.startswith(r.prefix)]
        if not routes:
            exchange.status = 404
            return
        route = max(routes, key=lambda one: len(one.prefix))
        path = exchange.path.removeprefix(route.prefix.rstrip("/")) if route.strip else exchange.path
        headers = {name: value for name, value in exchange.headers.items() if name not in _HOP_BY_HOP}
        connection = http.client.HTTPConnection("127.0.0.1", route.port, timeout=60)
        try:
            connection.request(
                exchange.method,
                path,
                exchange.body or None,
                {**headers, "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "Connection": "close"},
            )
            answer = connection.getresponse()
            exchange.answer = answer.read()
            exchange.answer_headers = [h for h in answer.getheaders() if h[0].lower() not in _HOP_BY_HOP]
            exchange.status = answer.status
        except (OSError, http.client.HTTPException):
            exchange.status, exchange.answer_headers, exchange.answer = 502, [], b""
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    """Shakes hands in the thread of the connection, so that a silent connection does not block the others."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Browsers may close a connection at any time."""


def _handler(proxy: TlsProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers: dict[str, str] = {}
            for name, value in self.headers.items():
                key = name.lower()
                headers[key] = f"{headers[key]}{'; ' if key == 'cookie' else ', '}{value}" if key in headers else value
            host = headers.get("host", "").rpartition(":")[0]
            exchange = Exchange(self.command, host, self.path, headers, body)
            self.close_connection = True
            if not proxy.serve(exchange):
                return
            self.send_response_only(exchange.status)
            for name, value in exchange.answer_headers:
                self.send_header(name, value)
            if exchange.status not in (204, 304):
                self.send_header("Content-Length", str(len(exchange.answer)))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(exchange.answer)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = _any  # noqa: N815 - the base class's names

        def log_message(self, format: str, *_: object) -> None:
            pass

    return Handler


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def make_certificate(directory: Path, *names: str) -> Path:
    """A file with a key and a self-signed certificate for these names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = dt.datetime.now(dt.UTC)
    other_uses = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
    usage = dict.fromkeys((*other_uses, "encipher_only", "decipher_only"), False)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([_general(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "proxy.pem"
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path
