"""Requests to the issuer: bounded in time and size, never redirected."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

from authserver_resource.errors import FetchError, bare
from authserver_resource.mistakes import explain, shown
from authserver_resource.outages import NoAnswer, Outages
from authserver_resource.wire import opener

_LARGEST_ANSWER = 2 * 1024 * 1024
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Answer:
    url: str
    body: bytes
    #: `max-age` of its Cache-Control, in seconds.
    max_age: int | None

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            page = " but a page, perhaps of a proxy" if self.body.lstrip().startswith(b"<") else ""
            raise FetchError(f"{shown(self.url)}: the answer is not JSON{page}") from None


class Fetcher:
    """GET and POST. `seconds` bounds a whole request, so a server that sends byte by byte cannot block the caller."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._opener = opener()
        self._outages = Outages(clock)

    def reset_after_fork(self) -> None:
        self._outages.reset_after_fork()

    def get(self, url: str, accept: str) -> Answer:
        return self._fetch(url, None, {"Accept": accept})

    def post(self, url: str, form: bytes, headers: Mapping[str, str]) -> Answer:
        return self._fetch(url, form, {"Content-Type": "application/x-www-form-urlencoded", **headers})

    def _fetch(self, url: str, data: bytes | None, headers: Mapping[str, str]) -> Answer:
        # The caller has checked the scheme with `is_safe`, so `file:` and others never arrive here.
        agent = {"User-Agent": "authserver-resource"}
        request = urllib.request.Request(url, data, {**agent, **headers})  # noqa: S310
        with self._outages.attempt(f"{request.get_method()} {urlsplit(url).netloc} {request.get_header('Accept')}"):
            try:
                with self._opener.open(request, timeout=self._seconds) as response:
                    body = _read(response, url)
                    match = re.search(r"max-age=(\d{1,9})\b", response.headers.get("Cache-Control", ""))
            except (OSError, HTTPException, ValueError) as error:
                if isinstance(error, HTTPError):
                    error.close()
                kind = NoAnswer if isinstance(error, OSError) and not isinstance(error, HTTPError) else FetchError
                raise kind(f"{shown(url)}: {explain(error)}") from bare(error)
        return Answer(url, body, int(match.group(1)) if match else None)


def _read(response: Any, url: str) -> bytes:
    body = bytearray()
    while chunk := response.read1(65536):
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            raise FetchError(f"{shown(url)}: the answer is larger than 2 MiB")
    return bytes(body)


def is_safe(url: object, *, allow_http: bool) -> bool:
    """Return whether we may ask this address: https, or http on this machine or with `allow_http`."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    # An address with a password would carry it into logs.
    return (
        bool(host)
        and "@" not in parts.netloc
        and (parts.scheme == "https" or (parts.scheme == "http" and (allow_http or host in _LOOPBACK)))
    )
