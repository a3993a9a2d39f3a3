"""Runs a WSGI application under uvicorn: a request takes a thread only when all of it is here (PEP 3333, ASGI 3).

Answers are whole too, so a client that reads slowly holds no thread either. Nothing is streamed. Forwarded headers are
passed on like any others: REMOTE_ADDR is always the peer. A request that is refused for lack of threads costs none.
"""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from authserver.serving import presence as presences
from authserver.serving.admission import Admission, Hints
from authserver.serving.presence import Presence

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from wsgiref.types import WSGIApplication

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

    from authserver.serving.admission import Bounded

    Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
    _Jobs = SimpleQueue[tuple[dict[str, Any], Presence, float, asyncio.Future[Answer]]]

logger = logging.getLogger("authserver.serving")

# In the form of RFC 6749 section 5.2, and as a page.
_BUSY = b'{"error": "temporarily_unavailable", "error_description": "The server is busy. Try again in a moment."}'
_BUSY_PAGE = b"<!doctype html><title>Busy</title><p>The server is busy. Nothing was changed. Try again in a moment."


#: A request that was refused sooner, in seconds, has waited for nothing.
_QUICK = 0.2


class WSGIBridge:
    """The ASGI application that reads a request in full, lets one of its threads answer it, and sends the answer."""

    def __init__(
        self, application: WSGIApplication, *, threads: int, on_start: Callable[[], None], hints: Hints | None = None
    ) -> None:
        self._application = application
        self._on_start = on_start
        self._hints = hints
        kept_free = 0 if hints is None else min(hints.kept_free, threads // 4)  # also where `--threads` says few
        self._admission = Admission(threads - kept_free)
        self._jobs = self._start(threads)
        self._bounded = None if hints is None else hints.bounded
        self._bounded_jobs = self._start(0 if self._bounded is None else self._bounded.most)
        self._bounded_under_way = 0

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            answer = await self._answer(scope, receive)
            if answer is not None:
                status, headers, body = answer
                await send({"type": "http.response.start", "status": status, "headers": headers, "trailers": False})
                await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _answer(self, scope: HTTPScope, receive: ASGIReceiveCallable) -> Answer | None:
        """Return the answer, or None if the client went away, or was refused, before it had sent its request."""
        body, more = bytearray(), True
        while more:
            event = await receive()
            if event["type"] != "http.request":
                return None
            body += event["body"]
            more = event["more_body"]
        environ = _environ(scope, bytes(body))
        presence: Presence = scope.get("presence") or Presence()  # type: ignore[assignment]
        arrived = time.monotonic()
        if self._hints is not None and self._hints.at_hand(environ):
            return await self._run(environ, presence, arrived, self._jobs)
        if self._bounded is not None and self._bounded.has(environ):
            return await self._run_bounded(self._bounded, environ, presence, arrived)
        if not await self._admission.enter(presence):
            if self._hints is not None:
                self._hints.on_refused()
            return self._busy(environ)
        answer, entered = None, time.monotonic()
        try:
            answer = await self._run(environ, presence, arrived, self._jobs)
        finally:
            served = answer is not None and answer[0] != 503
            # A quick 503 waited for nothing: a sign-in on a page gets one when the hashing queue is full.
            self._admission.leave(progress=served or time.monotonic() - entered < _QUICK)
        return answer

    async def _run_bounded(
        self, bounded: Bounded, environ: dict[str, Any], presence: Presence, arrived: float
    ) -> Answer:
        if self._bounded_under_way >= bounded.most or bounded.is_full():
            return _call(bounded.refuse, environ)
        self._bounded_under_way += 1
        try:
            return await self._run(environ, presence, arrived, self._bounded_jobs)
        finally:
            self._bounded_under_way -= 1

    async def _run(self, environ: dict[str, Any], presence: Presence, arrived: float, jobs: _Jobs) -> Answer:
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        jobs.put((environ, presence, arrived, answered))
        return await answered

    def _start(self, threads: int) -> _Jobs:
        """Start threads that answer what is put into the queue."""
        jobs: _Jobs = SimpleQueue()
        for _ in range(threads):
            # Daemon threads: a request that outlives the time to stop does not keep the process alive. A plain queue:
            # an executor costs 0.03 ms more for each request.
            threading.Thread(target=self._work, args=(jobs,), daemon=True).start()
        return jobs

    def _work(self, jobs: _Jobs) -> None:
        while True:
            environ, presence, arrived, answered = jobs.get()
            presences.serve(presence, time.monotonic() - arrived)
            try:
                answer = self._busy(environ) if presence.is_gone() else _call(self._application, environ)
            except Exception:
                logger.exception("The application failed")
                answer = 500, [(b"content-length", b"0")], b""
            answered.get_loop().call_soon_threadsafe(_set_answer, answered, answer)

    def _busy(self, environ: dict[str, Any]) -> Answer:
        is_page = "text/html" in environ.get("HTTP_ACCEPT", "")
        body = _BUSY_PAGE if is_page else _BUSY
        more = () if self._hints is None else self._hints.headers(environ)
        headers = [
            (b"content-type", b"text/html; charset=utf-8" if is_page else b"application/json"),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"retry-after", b"1"),
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode(), value.encode("latin-1")) for name, value in more),
        ]
        return 503, headers, body

    async def _lifespan(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        self._on_start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _set_answer(answered: asyncio.Future[Answer], answer: Answer) -> None:
    if not answered.done():  # it is cancelled when the time to stop is over
        answered.set_result(answer)


def _headers(scope: HTTPScope) -> dict[str, str]:
    """Return the headers under their WSGI names."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name or raw_name == b"transfer-encoding":
            continue  # X_Forwarded_For would pass for X-Forwarded-For; the body is decoded already
        key = raw_name.decode("latin-1").upper().replace("-", "_")
        key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
        value = raw_value.decode("latin-1")
        if key in headers:
            value = headers[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
        headers[key] = value
    return headers


def _environ(scope: HTTPScope, body: bytes) -> dict[str, Any]:
    client, server = scope["client"] or ("", 0), scope["server"] or ("", 0)
    return {
        **_headers(scope),
        "CONTENT_LENGTH": str(len(body)),
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def _call(application: WSGIApplication, environ: dict[str, Any]) -> Answer:
    body: list[bytes] = []
    started: list[tuple[int, list[tuple[bytes, bytes]]]] = []

    def start_response(
        status: str,
        headers: list[tuple[str, str]],
        _exc_info: tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None = None,
        /,
    ) -> Callable[[bytes], object]:
        # Nothing is sent before the application is done, so a second call may always replace the first.
        encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        started[:] = [(int(status[:3]), encoded)]
        return body.append

    parts = application(environ, start_response)
    try:
        body.extend(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    status, headers = started[0]
    content = b"".join(body)
    if environ["REQUEST_METHOD"] != "HEAD" and status not in {204, 304}:
        headers = [*(header for header in headers if header[0] != b"content-length")]
        headers.append((b"content-length", str(len(content)).encode()))
    return status, headers, content
