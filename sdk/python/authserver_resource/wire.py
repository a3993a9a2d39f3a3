"""Connections for one request, bounded by one deadline: connect, TLS, head and body together.

A time-out of a socket bounds only the wait for the next byte, so a server that sends byte by byte would evade it.
"""

from __future__ import annotations

import math
import socket
import ssl
import time
import urllib.request
from functools import cached_property
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any


class _Socket(socket.socket):
    deadline = math.inf

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        self.settimeout(seconds_left(self.deadline))
        return super().recv_into(*arguments, **named)


class _TlsSocket(ssl.SSLSocket):
    deadline = math.inf

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        self.settimeout(seconds_left(self.deadline))
        return super().recv_into(*arguments, **named)


def seconds_left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _connect(address: tuple[str, int], deadline: float) -> _Socket:
    places = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    failure: OSError = OSError("the name has no address")
    for number, (family, kind, protocol, _, place) in enumerate(places):
        sock = _Socket(family, kind, protocol)
        sock.deadline = deadline
        try:
            # A dead address leaves time for the next one, as with IPv6 where only IPv4 works.
            sock.settimeout(seconds_left(deadline) / (len(places) - number))
            sock.connect(place)
            sock.settimeout(seconds_left(deadline))
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


class _HttpConnection(HTTPConnection):
    def __init__(self, host: str, timeout: float, **named: Any) -> None:
        super().__init__(host, timeout=timeout, **named)
        deadline = time.monotonic() + timeout
        # The standard library calls it in `connect`, also for the way through a proxy.
        self._create_connection = lambda address, *_: _connect(address, deadline)


class _HttpsConnection(HTTPSConnection):
    def __init__(self, host: str, timeout: float, **named: Any) -> None:
        super().__init__(host, timeout=timeout, **named)
        self._deadline = time.monotonic() + timeout
        self._create_connection = lambda address, *_: _connect(address, self._deadline)

    def connect(self) -> None:
        super().connect()
        if isinstance(self.sock, _TlsSocket):
            self.sock.deadline = self._deadline


class _Handler(urllib.request.AbstractHTTPHandler):
    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

    def http_open(self, request: urllib.request.Request) -> HTTPResponse:
        connection: Any = _HttpConnection
        return self.do_open(connection, request)

    def https_open(self, request: urllib.request.Request) -> HTTPResponse:
        connection: Any = _HttpsConnection
        return self.do_open(connection, request, context=self._tls)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        context.sslsocket_class = _TlsSocket
        return context


def opener() -> urllib.request.OpenerDirector:
    """Return what opens addresses by http and https alone, through the proxies of the environment.

    A redirect is an error: it would let an attacker who answers at one address send us to another.
    """
    made = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Handler(),
    ):
        made.add_handler(handler)
    return made
