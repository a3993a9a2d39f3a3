"""Sends fuzzed requests to a live server and judges each answer."""

from __future__ import annotations

import json
import re
import socket
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.support.fuzz_requests import FuzzedRequest

#: Seconds: the server gives up an incomplete request after less, and an answer that takes longer is a hang.
PATIENCE = 45.0
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_KINDS = ("application/json", "application/problem+json", "text/html", "text/plain")


@dataclass
class Verdicts:
    """What came back. `failures` are answers that break the promise, with the requests that caused them."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0
    unanswered: int = 0  # requests that were no whole HTTP, on which the server closed the connection

    def add(self, other: Verdicts) -> None:
        self.statuses += other.statuses
        self.failures += other.failures
        self.slowest = max(self.slowest, other.slowest)
        self.unanswered += other.unanswered

    @property
    def sent(self) -> int:
        return self.statuses.total() + self.unanswered


class Wire:
    """One client. It keeps its connection as long as requests are framed and the server does not close it."""

    def __init__(self, port: int) -> None:
        self.verdicts = Verdicts()
        self._port = port
        self._kept: socket.socket | None = None

    def send(self, request: FuzzedRequest, about: str) -> None:
        began = time.monotonic()
        try:
            answers = self._exchange(request) if request.is_framed else self._alone(request)
        except TimeoutError:
            self.close()
            self.verdicts.failures.append(f"{about}: no answer within {PATIENCE} s to {request.data[:2000]!r}")
            return
        self.verdicts.slowest = max(self.verdicts.slowest, time.monotonic() - began)
        if not answers:
            self.verdicts.unanswered += 1
            if request.is_framed:
                self.verdicts.failures.append(f"{about}: closed without an answer to {request.data[:2000]!r}")
        for head, body in answers:
            status = int(head[9:12])
            self.verdicts.statuses[status] += 1
            if problem := problem_of(status, head, body, request):
                self.verdicts.failures.append(f"{about}: {problem}, {head!r} {body[:500]!r} to {request.data[:2000]!r}")

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _exchange(self, request: FuzzedRequest) -> list[tuple[bytes, bytes]]:
        """Send one framed request on the kept connection, and read its answer."""
        is_reused = self._kept is not None
        connection = self._kept = self._kept or self._connect()
        received = b""
        try:
            connection.sendall(request.data)
            while True:
                while b"\r\n\r\n" not in received:
                    received += _some(connection)
                head, _, rest = received.partition(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 1"):
                    break
                received = rest
            body = self._body(connection, head, rest, request)
        except (ConnectionError, EOFError):
            self.close()
            # The server may close a connection that has been idle or has served much; the next one has to do.
            return self._exchange(request) if is_reused and not received else []
        if re.search(rb"\r\nconnection: close", head, re.IGNORECASE):
            self.close()
        return [(head, body)]

    def _body(self, connection: socket.socket, head: bytes, rest: bytes, request: FuzzedRequest) -> bytes:
        status = head[9:12]
        if request.method == b"HEAD" or status in (b"204", b"304"):
            return b""
        length = _LENGTH.search(head)
        while (len(rest) < int(length[1])) if length else not rest.endswith(b"0\r\n\r\n"):
            rest += _some(connection)
        return rest

    def _alone(self, request: FuzzedRequest) -> list[tuple[bytes, bytes]]:
        """Send bytes on a connection of their own, say that no more come, and read until the server closes."""
        received = b""
        with self._connect() as connection:
            try:
                connection.sendall(request.data)
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(65536):
                    received += piece
            except ConnectionError:
                pass
        found = re.finditer(rb"(?<![^\n])HTTP/1\.1 [2-5].*?(?=\r\n\r\n)", received, re.DOTALL)
        return [(answer[0], received[answer.end() + 4 :]) for answer in found]


def problem_of(status: int, head: bytes, body: bytes, request: FuzzedRequest) -> str | None:
    """What is wrong with an answer: promise 8 of the design."""
    text = head.decode("latin-1").lower()
    if status == 501 and not request.is_framed:
        return None  # a transfer coding that the server does not know (RFC 9112 section 6.1)
    if status >= 500 and not (status == 503 and "retry-after:" in text):
        return f"status {status}"
    if b"Traceback" in body:
        return "a traceback"
    if status < 400 or request.method == b"HEAD":
        return None
    kind = re.search(r"content-type: ([^;\r\n]+)", text)
    if kind is None or kind[1] not in _KINDS:
        return None if status == 401 and not body else "an error without a text"
    if kind[1].endswith("json") and request.is_framed:
        members = json.loads(body)
        if not {"error", "error_description"} <= members.keys() and not {"type", "status", "detail"} <= members.keys():
            return "an error in no known form"
    return None


def _some(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    if not piece:
        raise EOFError
    return piece
