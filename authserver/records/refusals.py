"""Records refusals at a bounded rate: a flood of refused requests must not become a flood of writes."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from authserver.database.engine import Database
from authserver.records import audit
from authserver.records.audit import Entry, Event


class RefusalRecorder:
    """Records of each event at most `burst` refusals at once and `rate` a second, in each process.

    Refusals that were passed over are counted, and the next recorded event says how many they were.
    """

    def __init__(self, database: Database, *, rate: float = 1.0, burst: int = 10) -> None:
        self._database = database
        self._rate = rate
        self._burst = burst
        self._lock = threading.Lock()
        self._buckets: dict[Event, tuple[float, float, int]] = {}

    def record(self, entry: Entry) -> bool:
        """Write the event in a transaction of its own, or count it as passed over. Returns whether it was written."""
        passed_over = self._admit(entry.event, time.monotonic())
        if passed_over is None:
            return False
        detail = {**entry.detail, **({"not_recorded_before": passed_over} if passed_over else {})}
        with self._database.transaction() as connection:
            audit.record(connection, replace(entry, detail=detail))
        return True

    def _admit(self, event: Event, now: float) -> int | None:
        with self._lock:
            tokens, at, passed_over = self._buckets.get(event, (float(self._burst), now, 0))
            tokens = min(self._burst, tokens + (now - at) * self._rate)
            if tokens < 1:
                self._buckets[event] = (tokens, now, passed_over + 1)
                return None
            self._buckets[event] = (tokens - 1, now, 0)
            return passed_over
