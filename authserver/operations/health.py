"""GET /healthz: the process runs. GET /readyz: this node can do its work, or what is missing."""

from __future__ import annotations

import threading
import time

from flask import Flask, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from authserver.database import schema
from authserver.database.engine import Database
from authserver.database.failures import failure_of
from authserver.database.rereading import Rereading
from authserver.database.status_indices import prove_writable
from authserver.keys.keyring import Keyring, NoKeys
from authserver.keys.vault import MasterKeyError

#: A load balancer asks often, and anyone may ask: the checks run at most this often, in seconds.
_FRESH = 1.0
#: Results that are older, in seconds, are not used: while a check hangs, the last one says nothing about now.
_EXPIRED = 5.0
#: How long a request without a result waits for the check, in seconds, and how many may: each holds a thread.
_PATIENCE = 1.0
_MOST_WAITING = 3


class Readiness:
    """Checks what a request needs: a database that takes writes, its schema, its clock, and keys that open."""

    def __init__(self, database: Database, keyring: Keyring, *, max_clock_skew: int) -> None:
        self._database = database
        self._keyring = keyring
        self._max_clock_skew = max_clock_skew
        self._checking = Rereading(self._note_check)
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)
        # When the last check began and ended, and what it found.
        self._last: tuple[float, float, list[str]] = (float("-inf"), float("-inf"), [])

    def problems(self) -> list[str]:
        """What keeps this node from working, at most `_EXPIRED` seconds old; empty if it is ready."""
        # A thread of its own checks. While the last result is good no request waits for it, so this answers while the
        # database hangs. A check that was under way may have begun before a failure: then one more is needed.
        if self._is_older(_FRESH) and not self._is_older(_EXPIRED):
            self._checking.wait()
        elif self._is_older(_FRESH) and self._waiting.acquire(blocking=False):
            try:
                self._checking.wait(_PATIENCE)
                if self._is_older(_EXPIRED):
                    self._checking.wait(_PATIENCE)
            finally:
                self._waiting.release()
        return ["the database answers too slowly"] if self._is_older(_EXPIRED) else self._last[2]

    def _note_check(self) -> None:
        began = time.monotonic()
        found = self._check()
        self._last = (began, time.monotonic(), found)

    def _is_older(self, seconds: float) -> bool:
        """Whether the last result is older, or it is "ready" and a request has seen the database fail since."""
        began, ended, problems = self._last
        refuted = not problems and self._database.failed_at > began
        return refuted or time.monotonic() - ended >= seconds

    def _check(self) -> list[str]:
        try:
            schema.check(self._database)
            self._keyring.refresh()
            prove_writable(self._database)
            before = time.time()
            database = self._database.now() / 1000
        except SQLAlchemyError as error:
            failure = failure_of(error)
            if failure is None:
                raise
            return [failure.problem]
        except (schema.SchemaOutdated, NoKeys, MasterKeyError) as problem:
            return [str(problem)]
        # The database's time lies between `before` and now; the rest is skew.
        skew = max(before - database, database - time.time(), 0.0)
        if skew > self._max_clock_skew:
            return [f"this node's clock and the database's differ by {skew:.1f} s; at most {self._max_clock_skew} s"]
        return []


def register(app: Flask, readiness: Readiness, base: str) -> None:
    """Add both addresses, at the root for what watches a node, and below the issuer's path for what goes through a proxy."""

    def healthz() -> Response:
        return jsonify(status="ok")

    def readyz() -> tuple[Response, int]:
        problems = readiness.problems()
        return (jsonify(status="ok"), 200) if not problems else (jsonify(status="not ready", problems=problems), 503)

    for prefix in {"", base}:
        app.add_url_rule(f"{prefix}/healthz", "healthz", healthz)
        app.add_url_rule(f"{prefix}/readyz", "readyz", readyz)
