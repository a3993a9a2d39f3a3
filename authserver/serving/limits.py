"""Bounds what uvicorn's HTTP protocol does not: heads, trailers, the time in which a request arrives, connections.

A client that is slow, silent or endless holds no thread, only one socket for a bounded time.
"""

import asyncio
import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Java's client offers h2c with every first request, and the parser then takes the body for another protocol's bytes.
# An offer may be ignored (RFC 9110 section 7.8). The bridge refuses an offer that this does not catch.
UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
# The parser gets this many bytes at once. Bytes outside of bodies are counted after each piece: exact to one piece.
PIECE = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one worker; times in seconds."""

    max_body_bytes: int
    max_head_bytes: int = 16 * 1024
    max_connections: int = 8192
    request_timeout: float = 30.0
    keep_alive_timeout: int = 75
    grace: int = 30


def refusal(status: HTTPStatus) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return headers and body for a request that no endpoint gets to see, in the form of RFC 6749 section 5.2."""
    body = json.dumps({"error": "invalid_request", "error_description": f"{status.phrase}."}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    return [*headers, (b"content-length", str(len(body)).encode())], body


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Either the server works on a whole request, or the client owes bytes and is in `waiting`."""

    limits: ClassVar[Limits]
    waiting: ClassVar[dict["BoundedProtocol", None]]  # the longest waiting first; a dict for its order

    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # None until the first request
    _started: RequestResponseCycle | None = None  # the application works on it; `cycle` is the last that arrived
    _deadline: asyncio.TimerHandle | None = None
    _in_head = True
    _allowance = 0  # bytes that the head may still have; after the head, bytes that do not belong to the body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._allowance = self.limits.max_head_bytes
        # Close the connection that has waited longest: idle or slow connections must not keep new ones out.
        if len(self.connections) > self.limits.max_connections and self.waiting:
            next(iter(self.waiting)).transport.abort()
        self._wait_for_client()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self._started is not None:
            self._started.disconnected = True
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        # uvicorn tells only the last request that the client is gone. An earlier one would write, and log a traceback.
        self._started = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        if self._in_head and UPGRADE.search(data):
            head, end, rest = data.partition(b"\r\n\r\n")
            data = UPGRADE.sub(b"\r\nignored-upgrade:", head) + end + rest
        at = 0
        while at < len(data) and not self.transport.is_closing():
            piece = data[at : at + (min(PIECE, self._allowance) if self._in_head else PIECE)]
            at += len(piece)
            self._allowance -= len(piece)
            super().data_received(piece)
            self._allowance = min(self._allowance, self.limits.max_head_bytes)
            if self._allowance <= 0 and not self.transport.is_closing():
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            self._wait_for_client()
        else:
            self._stop_waiting()

    def on_header(self, name: bytes, value: bytes) -> None:
        # The parser hands trailers over as headers, but no trailer may count as one (RFC 9112 section 7.1.2).
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._allowance = False, self.limits.max_head_bytes
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        # Only trailers and the extensions of chunks use up the allowance: 16 bytes are enough for the size of a chunk.
        self._allowance += len(body) + 16
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head, self._allowance = True, self.limits.max_head_bytes
        super().on_message_complete()
        if self.cycle is not None and not self.parser.should_keep_alive():
            # A trailer may ask to close the connection, too late for uvicorn. The parser skips all later bytes: close.
            self.cycle.keep_alive = False
            if self.cycle.response_complete:
                self.transport.close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and not self.pipeline:
            self.waiting[self] = None

    def shutdown(self) -> None:
        """Let the application finish its request. A request that is still arriving has two seconds."""
        super().shutdown()
        if self.cycle is not None and self.cycle.more_body and not self.transport.is_closing():
            self._stop_waiting()
            self._deadline = self.loop.call_later(2, self._give_up)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        self._refuse(HTTPStatus.BAD_REQUEST)

    def _wait_for_client(self) -> None:
        self.waiting.setdefault(self)
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.limits.request_timeout, self._give_up)

    def _stop_waiting(self) -> None:
        self.waiting.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        begun = not self._in_head or self._allowance < self.limits.max_head_bytes
        if begun and not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:  # there is no request, or the client does not take its answer
            self.transport.abort()

    def _refuse(self, status: HTTPStatus) -> None:
        # The request was answered early or is being answered: the client would take this answer for the next request's.
        # In a pipeline the client would take it for the answer to the request in front.
        if self.pipeline or (self.cycle is not None and self.cycle.response_complete == self.cycle.more_body):
            self.transport.abort()
            return
        headers, body = refusal(status)
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        first = f"HTTP/1.1 {status} {status.phrase}\r\n".encode()
        self.transport.write(first + lines + b"connection: close\r\n\r\n" + body)
        self.transport.close()
