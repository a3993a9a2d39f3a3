"""A store of counts outside of the database, and what happens while it is away: each process counts for itself."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from authserver.records.metrics import THROTTLE_STORE_AWAY, THROTTLE_STORE_FAILED
from authserver.refusals.exceptions import TryLater
from authserver.refusals.reasons import Reason
from authserver.throttling.counters import Charges, Counted, Delay, Delayed
from authserver.throttling.local import LocalCounters
from authserver.throttling.policy import Kind

Answer = TypeVar("Answer")

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


class StoreAway(TryLater):
    """Counts cannot be looked at or lifted, because their store is away."""

    def __init__(self, failure: StoreFailed) -> None:
        text = f"the store of counts did not answer: {failure.said} ({failure.reason}); see authserver doctor"
        super().__init__(Reason.COUNTS_AWAY, retry_after=math.ceil(_PAUSE), detail=text)


class OutsideStore(Protocol):
    """A store that may be away. Its methods raise `StoreFailed`."""

    def charge(self, charges: Charges, /) -> Delay | None:
        """Charge an attempt: see `Counters`."""

    def refund(self, charges: Charges, /, *, clear: bool, end: bool) -> None:
        """Take the charges back: see `Counters`."""

    def read(self, charges: Charges, /) -> Counted:
        """What stands in these counts."""

    def lift(self, charges: Charges, /) -> Counted:
        """Empty these counts. Returns what stood there."""

    def delayed(self) -> Mapping[Kind | None, Delayed]:
        """How many counts of each kind delay somebody now; None stands for strangers."""

    def at_limit(self) -> Delayed:
        """At how many accounts strangers are at their limit."""

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

    def read(self, charges: Charges) -> Counted:
        """What stands in these counts. Raises `StoreAway`: what one process counts meanwhile is no answer."""
        return _answered(self._store.read, charges)

    def lift(self, charges: Charges, _connection: object = None) -> Counted:
        """Empty these counts, at once and not with the act of the connection. Raises `StoreAway`."""
        return _answered(self._store.lift, charges)

    def delayed(self) -> Mapping[Kind | None, Delayed]:
        """How many counts of each kind delay somebody now. Raises `StoreAway`."""
        return _answered(self._store.delayed)

    def at_limit(self) -> Delayed:
        """At how many accounts strangers are at their limit. Raises `StoreAway`."""
        return _answered(self._store.at_limit)

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
        pause = threading.Event()  # whose wait does not depend on the clock of the machine, as a sleep may
        while True:
            pause.wait(self._pause)
            try:
                self._store.prove()
            except StoreFailed:
                continue
            break
        THROTTLE_STORE_AWAY.set(0)
        if logs:
            _log.info("throttle_store_is_back")


def _answered(ask: Callable[..., Answer], *given: Charges) -> Answer:
    try:
        return ask(*given)
    except StoreFailed as failure:
        raise StoreAway(failure) from failure
