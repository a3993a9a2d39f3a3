"""GET /healthz: the process lives. GET /readyz: it can do its work, or what is missing."""

from __future__ import annotations

import threading
import time

from flask import Flask, Response, jsonify

from authserver import schema
from authserver.database import Database, Unavailable
from authserver.keys.keyring import Keyring, NoKeys
from authserver.keys.vault import MasterKeyError

#: A load balancer asks often, and anyone may ask: the checks run at most this often, in seconds.
_FRESH = 1.0


class Readiness:
    """Checks what a request needs: the database, its schema, its clock, and keys that open."""

    def __init__(self, database: Database, keyring: Keyring, *, max_clock_skew: int) -> None:
        self._database = database
        self._keyring = keyring
        self._max_clock_skew = max_clock_skew
        self._lock = threading.Lock()
        self._problems = ["not looked at yet"]
        self._checked_at = float("-inf")

    def problems(self) -> list[str]:
        """What keeps this node from working, at most a second old; empty when it is ready."""
        if not self._lock.acquire(blocking=False):
            return self._problems  # somebody is looking; when the database hangs, the others must not hang with him
        try:
            if time.monotonic() - self._checked_at >= _FRESH:
                self._problems = self._check()
                self._checked_at = time.monotonic()
            return self._problems
        finally:
            self._lock.release()

    def _check(self) -> list[str]:
        try:
            schema.check(self._database)
            before = time.time()
            database = self._database.now() / 1000
            self._keyring.refresh()
        except Unavailable:
            return ["the database does not answer"]
        except (schema.SchemaOutdated, NoKeys, MasterKeyError) as problem:
            return [str(problem)]
        # The database's time lies between `before` and now; what lies outside of that is skew.
        skew = max(before - database, database - time.time(), 0.0)
        if skew > self._max_clock_skew:
            return [f"this node's clock and the database's differ by {skew:.1f} s; at most {self._max_clock_skew} s"]
        return []


def register(app: Flask, readiness: Readiness) -> None:
    """Add both addresses."""

    def healthz() -> Response:
        return jsonify(status="ok")

    def readyz() -> tuple[Response, int]:
        problems = readiness.problems()
        return (jsonify(status="ok"), 200) if not problems else (jsonify(status="not ready", problems=problems), 503)

    app.add_url_rule("/healthz", "healthz", healthz)
    app.add_url_rule("/readyz", "readyz", readyz)
