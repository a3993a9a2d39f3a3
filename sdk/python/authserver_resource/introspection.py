"""Opaque tokens: the issuer says what they are (RFC 7662), and its answer is kept for a few seconds."""

from __future__ import annotations

import base64
import threading
from concurrent.futures import Future
from typing import Any
from urllib.parse import quote_plus, urlencode

from authserver_resource.errors import VerificationError, WouldWait
from authserver_resource.fetching import FetchError
from authserver_resource.issuer import Issuer
from authserver_resource.memory import Memory
from authserver_resource.reach import Reach
from authserver_resource.texts import texts

PREFIX = "asat_"
_CREDENTIALS = '("client-id", "secret")'


class Introspection:
    """Asks the issuer about a token. Parallel callers share one request. An answer is used for `seconds`."""

    def __init__(
        self, issuer: Issuer, reach: Reach, credentials: tuple[str, str], *, seconds: float, size: int
    ) -> None:
        parts = texts("introspection", credentials, _CREDENTIALS)
        if len(parts) != 2:
            raise ValueError(f"introspection: two texts, as in {_CREDENTIALS}")
        pair = ":".join(quote_plus(part) for part in parts)  # RFC 6749 section 2.3.1
        self._headers = {
            "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
            "Accept": "application/json",
        }
        self._issuer = issuer
        self._reach = reach
        self._seconds = seconds
        self._memory: Memory[tuple[float, dict[str, Any]]] = Memory(size)
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Replace the lock after a fork."""
        self._lock = threading.Lock()
        self._flights: dict[bytes, Future[dict[str, Any]]] = {}
        self._memory.reset_after_fork()

    def claims(self, token: str, digest: bytes, now: float, *, wait: bool) -> dict[str, Any]:
        """Return the issuer's claims of an active token."""
        known = self._memory.get(digest)
        if known is None or now >= known[0]:
            if not wait:
                raise WouldWait
            answer = self._ask_once(token, digest)
        else:
            answer = known[1]
        if answer.get("active") is not True:
            raise VerificationError("inactive", "the issuer does not know the token, or no more")
        return answer

    def _ask_once(self, token: str, digest: bytes) -> dict[str, Any]:
        with self._lock:
            flight = self._flights.get(digest)
            if flight is None:
                mine = self._flights[digest] = Future()
        if flight is not None:
            try:
                return flight.result(self._reach.patience)
            except TimeoutError:
                raise VerificationError("introspection_unavailable", "the issuer takes too long") from None
        try:
            answer = self._ask(token)
            self._memory.put(digest, (self._reach.clock() + self._seconds, answer))
            mine.set_result(answer)
            return answer
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                self._flights.pop(digest, None)

    def _ask(self, token: str) -> dict[str, Any]:
        try:
            metadata = self._issuer.metadata.get(self._reach.clock(), wait=True)
            if metadata is None or metadata.introspection_endpoint is None:
                raise FetchError("the issuer's introspection endpoint is not known")
            form = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
            answer = self._reach.fetcher.post(metadata.introspection_endpoint, form, self._headers).json()
        except FetchError as error:
            raise VerificationError("introspection_unavailable", str(error)) from None
        if not isinstance(answer, dict):
            raise VerificationError("introspection_unavailable", "the issuer's answer is not an object")
        return answer
