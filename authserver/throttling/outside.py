"""A store of counts outside of the database, and what happens while it is away: each process counts for itself."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Protocol

import structlog

from authserver.records.metrics import THROTTLE_STORE_AWAY, THROTTLE_STORE_FAILED
from authserver.throttling.counters import Charges, Counters, Delay
from authserver.throttling.local import LocalCounters

_log = structlog.get_logger("authserver.throttling")

#: Seconds between two looks whether a store that failed is back.
_PAUSE = 2.0
#: Seconds between two lines of the log about a store that fails again and again.
_LOG_EVERY = 60.0


class StoreFailed(Exception):
    """The store did not do what it was asked for. `reason` is one of a few words, for metrics; `said` is the store's text."""

    def __init__(self, reason: str, said: str) -> None:
        super().__init__(said)
        self.reason = reason
        self.said = said


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What an operator should know about a store. Without a `failure` it takes writes. What it does not tell is None, or empty.

    `version` is its own one, `understands` that of Redis whose commands it has. `evicts` is the policy by which it forgets
    keys when its memory is full; None also if it has no limit.
    """

    failure: StoreFailed | None = None
    version: str = ""
    understands: tuple[int, ...] = ()
    evicts: str | None = None
    has_log: bool | None = None
    has_snapshots: bool | None = None


class OutsideStore(Counters, Protocol):
    """A store that may be away. Its methods raise `StoreFailed`."""

    def prove(self) -> None:
        """Raise `StoreFailed` unless it takes writes."""


class FallingBack:
    """Counts in a store outside, and in the memory of this process while that is away. Never raises `StoreFailed`.

    An attempt waits for one time-out at most. Then a thread looks whether the store is back, and no other attempt waits
    for it. An attempt whose success comes after such a change gets its charge back from the other store, which does not
    have it: one failure is counted too many there, or too few.
    """

    def __init__(self, store: OutsideStore, local: LocalCounters, *, pause: float = _PAUSE) -> None:
        self._store = store
        self._local = local
        self._pause = pause
        self._lock = threading.Lock()
        self._looking: threading.Thread | None = None
        self._logged_at = float("-inf")

    def charge(self, charges: Charges) -> Delay | None:
        """Charge an attempt: see `Counters`."""
        if not self.is_away:
            try:
                return self._store.charge(charges)
            except StoreFailed as failure:
                self._note(failure)
        return self._local.charge(charges)

    def refund(self, charges: Charges, *, clear: bool, end: bool) -> None:
        """Take the charges back: see `Counters`."""
        if not self.is_away:
            try:
                self._store.refund(charges, clear=clear, end=end)
            except StoreFailed as failure:
                self._note(failure)
            else:
                return
        self._local.refund(charges, clear=clear, end=end)

    @property
    def is_away(self) -> bool:
        """Whether this process counts for itself. A process that was forked has no such thread, and asks the store."""
        return self._looking is not None and self._looking.is_alive()

    def _note(self, failure: StoreFailed) -> None:
        with self._lock:
            if self.is_away:  # another thread was first
                return
            THROTTLE_STORE_FAILED.labels(failure.reason).inc()
            THROTTLE_STORE_AWAY.set(1)
            now = time.monotonic()
            logs = now - self._logged_at >= _LOG_EVERY
            if logs:
                self._logged_at = now
                _log.warning("throttle_store_failed", reason=failure.reason, said=failure.said)
            self._looking = threading.Thread(target=self._look, args=(logs,), name="throttle-store", daemon=True)
            self._looking.start()

    def _look(self, logs: bool) -> None:  # noqa: FBT001 - a thread's argument
        while True:
            time.sleep(self._pause)
            try:
                self._store.prove()
            except StoreFailed:
                continue
            break
        THROTTLE_STORE_AWAY.set(0)
        if logs:
            _log.info("throttle_store_is_back")
