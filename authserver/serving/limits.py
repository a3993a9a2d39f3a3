"""Bounds what uvicorn's HTTP protocol does not: requests in size and time, pipelines, connections, and their ends.

A client that is slow, silent or endless holds no thread, only one socket for a bounded time.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from authserver.serving import heads
from authserver.serving.arrivals import Arrivals
from authserver.serving.presence import Presence
from authserver.serving.transport import Transport

# The parser gets this many bytes of a chunked body at once. What is not body is counted after each: exact to one piece.
PIECE = 4096
# After the last answer this much is read and dropped, or the client could not read that answer (RFC 9112 section 9.6).
MAX_DROPPED_BYTES = 16 * 1024 * 1024
# In the form of RFC 6749 section 5.2.
REFUSAL = (
    b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncache-control: no-store\r\n"
    b"x-content-type-options: nosniff\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one worker; times in seconds."""

    max_body_bytes: int
    large_bodies: Mapping[str, int] = field(default_factory=dict)  # other bounds, by path
    max_large_bodies: int = 4  # at once: a flood of them must not fill the memory
    max_head_bytes: int = 16 * 1024
    max_connections: int = 8192
    request_timeout: float = 30.0
    keep_alive_timeout: int = 75
    grace: int = 30


class BoundedProtocol(HttpToolsProtocol):
    """One connection. The parser gets one request at a time, and the next one when that is answered.

    Either the server works on a whole request, or the client owes something and is in `waiting`.
    """

    limits: ClassVar[Limits]
    waiting: ClassVar[dict["BoundedProtocol", None]]  # the longest waiting first; a dict for its order
    large: ClassVar[set[RequestResponseCycle]]  # requests with a large body that arrives or is being answered

    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # None until the first request
    _tcp: asyncio.Transport
    _arrivals: Arrivals
    _patience: float  # seconds that the client has to send a request, or to close
    _deadline: asyncio.TimerHandle | None = None
    _in_head = True
    _line: re.Match[bytes] | None = None
    _left: int | None = None  # bytes of the body that are to come; None if it comes in chunks
    _body_bytes = 0
    _max_body_bytes = 0
    _allowance = 0  # bytes in and behind chunks that may still come and are not body
    _dropped = 0
    _half_closed = False  # the client has sent its last byte
    _status = HTTPStatus.BAD_REQUEST  # answers what the parser stops at

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._tcp, self._arrivals, self._patience = transport, Arrivals(), self.limits.request_timeout
        super().connection_made(Transport(transport, self._linger))  # type: ignore[arg-type]
        # Close the connection that has waited longest: idle or slow connections must not keep new ones out.
        if len(self.connections) > self.limits.max_connections and self.waiting:
            longest = next(iter(self.waiting))
            del self.waiting[longest]  # it is not lost before the next turn of the loop; do not choose it twice
            longest.transport.abort()
        self.waiting[self] = None
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            self._dropped += len(data)
            if self._dropped > MAX_DROPPED_BYTES:
                self.transport.abort()
            return
        self._arrivals.add(data)
        self._parse()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection for the answers that are owed to a client that has sent its last byte."""
        self._half_closed = True
        return self._is_busy() and not self.transport.is_closing()

    def _is_busy(self) -> bool:
        """Whether a request has arrived completely and is not answered yet."""
        return self._in_head and self.cycle is not None and not self.cycle.response_complete

    def _has_begun(self) -> bool:
        """Whether a request has arrived in part."""
        return not self._in_head or len(self._arrivals) > 0

    def _parse(self) -> None:
        """Give the parser what has arrived, up to the end of a request that is not answered yet."""
        while not self._is_busy() and not self.transport.is_closing() and (piece := self._next_piece()):
            super().data_received(piece)
            if self._allowance < 0 and not self.transport.is_closing():
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if self.transport.is_closing():
            self._arrivals.clear()
            return
        if self._is_busy():
            self._stop_waiting()
            if self.flow.write_paused:
                self.waiting[self] = None  # it owes to take the answer in front
            if self._arrivals:
                self._tcp.pause_reading()
            return
        self._tcp.resume_reading()
        self.waiting.setdefault(self)
        if self._has_begun():
            self._unset_keepalive_if_required()
            self._start_deadline()

    def _next_piece(self) -> bytes | None:
        if self._in_head:
            return self._next_head()
        if self._left is not None:
            return self._arrivals.take(self._left)
        piece = self._arrivals.take_chunked(PIECE)
        self._allowance -= len(piece)
        return piece

    def _next_head(self) -> bytes | None:
        self._line = None
        head = self._arrivals.take_head()
        if len(self._arrivals if head is None else head) > self.limits.max_head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return None
        if head is None:
            if self._arrivals.cannot_become_a_head():
                self._refuse(HTTPStatus.BAD_REQUEST)
            return None
        self._line = heads.LINE.match(head)
        if self._line is None:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return None
        return heads.UPGRADE.sub(b"\r\nignored-upgrade:", head)

    def on_header(self, name: bytes, value: bytes) -> None:
        # The parser hands trailers over as headers, but no trailer may count as one (RFC 9112 section 7.1.2).
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """An exception stops the parser, and the request is refused with `_status`."""
        version = self.parser.get_http_version()
        if self._line is None or not heads.is_sound(self._line, version, self.headers):
            raise ValueError
        if version == "1.0":
            self.expect_100_continue = False  # RFC 9110 section 10.1.1
        fields = dict(self.headers)
        self._left = None if b"transfer-encoding" in fields else int(fields.get(b"content-length", b"0"))
        path = self.url.partition(b"?")[0].decode("latin-1")
        self._max_body_bytes = self.limits.large_bodies.get(path, self.limits.max_body_bytes)
        self._check_body_size(self._left or 0)
        self._in_head, self._body_bytes, self._allowance = False, 0, self.limits.max_head_bytes
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._check_body_size(self._body_bytes)
        self._claim_large_body()
        if self._left is None:
            # Only trailers and the extensions of chunks use up the allowance: 16 bytes are enough for a chunk's size.
            self._allowance = min(self._allowance + len(body) + 16, self.limits.max_head_bytes)
        else:
            self._left -= len(body)
        super().on_body(body)

    def _check_body_size(self, size: int) -> None:
        if size > self._max_body_bytes:
            self._status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise ValueError

    def _claim_large_body(self) -> None:
        # Anyone can send a large body: it is read before the application looks at the access token.
        if self._body_bytes > self.limits.max_body_bytes and self.cycle is not None and self.cycle not in self.large:
            if len(self.large) >= self.limits.max_large_bodies:
                self._status = HTTPStatus.SERVICE_UNAVAILABLE
                raise ValueError
            self.large.add(self.cycle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        presence = Presence(lambda: cycle.disconnected, lambda: cycle.disconnected or self._half_closed)

        async def run(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            scope["presence"] = presence  # type: ignore[typeddict-unknown-key]
            try:
                await app(scope, receive, send)
            finally:
                self.large.discard(cycle)

        super()._start_asgi_task(cycle, run)

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()
        if self.cycle is not None:
            self.cycle.waiting_for_100_continue = False  # all of the body is here
            # A trailer may ask to close the connection, too late for uvicorn.
            self.cycle.keep_alive = self.cycle.keep_alive and self.parser.should_keep_alive()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            return
        self._parse()
        if self._half_closed and not self._is_busy():
            self._tcp.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.waiting.setdefault(self)  # the client owes it to take its answer

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._is_busy():
            self.waiting.pop(self, None)

    def shutdown(self) -> None:
        """Let the application finish its request. A request that is still arriving has two seconds."""
        if self.transport.is_closing() or (self._in_head and not self._is_busy()):
            self._tcp.close()
            return
        super().shutdown()
        self._patience = 2
        if not self._in_head:
            self._stop_waiting()
            self._start_deadline()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        self._refuse(self._status)

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._patience, self._give_up)

    def _stop_waiting(self) -> None:
        self.waiting.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self._has_begun() and not self.transport.is_closing():
            self._deadline = None
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.abort()

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer the request that is arriving. No request is in front of it, and none behind it gets an answer."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # the bridge stops waiting for the body
            self.cycle.message_event.set()
        body = json.dumps({"error": "invalid_request", "error_description": f"{status.phrase}."}).encode()
        later = b"retry-after: 1\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else b""
        self.transport.write(REFUSAL % (status, status.phrase.encode(), later, len(body)))
        if self._line is None or not self._line[0].startswith(b"HEAD "):
            self.transport.write(body)
        self.transport.close()

    def _linger(self) -> None:
        """Send what is left, then drop what the client still sends: a reset would take the answer from it."""
        self._stop_waiting()
        if self._half_closed:
            self._tcp.close()
            return
        self.waiting[self] = None
        self._start_deadline()
        self._tcp.write_eof()
        self._tcp.resume_reading()
