"""Opaque tokens: the issuer says what they are (RFC 7662), and its answer is kept for a few seconds."""

from __future__ import annotations

import base64
import threading
from typing import Any
from urllib.parse import quote_plus, urlencode

from authserver_resource.errors import FetchError, VerificationError
from authserver_resource.flights import Flight, Waited, WouldWait
from authserver_resource.issuer import Issuer, metadata_url
from authserver_resource.memory import Memory
from authserver_resource.mistakes import shown
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
        self._flights: dict[bytes, Flight[dict[str, Any]]] = {}
        self._memory.reset_after_fork()

    def claims(self, token: str, digest: bytes, now: float, waited: Waited) -> dict[str, Any]:
        """Return the issuer's claims of an active token."""
        known = self._memory.get(digest)
        answer = self._answer(token, digest, waited) if known is None or now >= known[0] else known[1]
        if answer.get("active") is not True:
            raise VerificationError("inactive", "the issuer does not know the token, or no more")
        return answer

    def _answer(self, token: str, digest: bytes, waited: Waited) -> dict[str, Any]:
        try:
            if waited == ():
                flight = self._flight(token, digest)
                if not flight.is_overdue:
                    raise WouldWait(flight)
            elif waited:
                answer: dict[str, Any] | None = waited[-1].result()
                if answer is not None:
                    return answer
            where = shown(metadata_url(self._issuer.url))
            raise FetchError(f"{where}: the issuer takes longer than {self._reach.patience:g} s")
        except FetchError as error:
            self._reach.report("answers about opaque tokens", error)
            text = f"the issuer cannot be asked about the token: {error}"
            raise VerificationError("introspection_unavailable", text) from error

    def _flight(self, token: str, digest: bytes) -> Flight[dict[str, Any]]:
        with self._lock:
            flight = self._flights.get(digest)
            if flight is not None:
                return flight
            flight = self._flights[digest] = self._reach.prepare(lambda: self._ask(token, digest))
        flight.when_ended(lambda: self._flights.pop(digest, None))
        self._reach.send(flight)
        return flight

    def _ask(self, token: str, digest: bytes) -> dict[str, Any]:
        endpoint = self._issuer.current_metadata().introspection_endpoint
        if endpoint is None:
            raise FetchError(f"{shown(metadata_url(self._issuer.url))}: the metadata name no introspection endpoint")
        form = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        answer: Any = self._reach.fetcher.post(endpoint, form, self._headers).json()
        if not isinstance(answer, dict):
            raise FetchError(f"{shown(endpoint)}: the answer is no JSON object")
        self._memory.put(digest, (self._reach.clock() + self._seconds, answer))
        return answer
