"""A value of the issuer: fresh for a time, refreshed in the background, used after its time in an outage."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from authserver_resource.errors import FetchError, bare
from authserver_resource.flights import Flight, Waited, Workers, WouldWait
from authserver_resource.mistakes import shown
from authserver_resource.outages import Place, StillNoAnswer, pause

T = TypeVar("T")

_jitter = random.SystemRandom()
#: A value is no longer refreshed after so many seconds without a use.
_WARM = 60.0
_TICK = 1.0
#: A call that begins an attempt during an outage waits for so many seconds and no longer.
_PATIENCE_IN_AN_OUTAGE = 1.0


class Remote(Generic[T]):
    """One value, loaded by one flight at a time.

    `load(old)` returns the value and the time until which it is fresh; it raises FetchError.
    The background refreshes a value from about half of its fresh time on. A request waits only for the first value, and
    for a value that became stale without use. While the issuer is known to be unreachable, one request waits for each
    attempt, and only if there is no value.
    """

    def __init__(
        self,
        url: str,
        load: Callable[[T | None], tuple[T, float]],
        workers: Workers,
        wake: Callable[[], None],
        *,
        clock: Callable[[], float],
        patience: float,
        report: Callable[[Exception], None],
    ) -> None:
        self.url = url
        self._load = load
        self._workers = workers
        self._wake = wake
        self._clock = clock
        self._patience = patience
        self._report = report
        self.value: T | None = None
        self.loaded_at = 0.0
        self.fresh_until = 0.0
        self.used_at = 0.0
        self.attempted_at = 0.0
        #: The time of the first failure since the last success; None while loading works.
        self.failing_since: float | None = None
        self._error: Exception | None = None
        self._refresh_at = 0.0
        #: A clock that is set back must not make a value last longer: before this time it is refreshed, too.
        self._refresh_from = 0.0
        self._failures = 0
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Forget the flights of other threads: after a fork those threads do not exist."""
        self._lock = threading.Lock()
        self._flight: Flight[None] | None = None
        #: Where the last attempt was not made, because nothing answered there. When something answers, this is due.
        self._place: Place | None = None

    def get(self, now: float, waited: Waited) -> T | None:
        """Return the value, which may be stale, or None. Raises WouldWait if the call has to wait for one."""
        self.used_at = now
        if self._refresh_from < now < self._refresh_at or self._rests(now):
            return self.value
        if self.value is not None and (now < self.fresh_until or self._is_failing(now)):
            self._wake()
            return self.value
        return self.refresh(now, waited)

    def refresh(self, now: float, waited: Waited) -> T | None:
        """Wait for the flight that is under way, or for a new one. Otherwise do as `get` does."""
        if waited is not None:
            flight = self.start()
            is_waited_for, flight.is_waited_for = flight.is_waited_for, True
            is_in_vain = flight in waited or flight.is_overdue or (is_waited_for and self._is_failing(now))
            if not is_in_vain:
                raise WouldWait(flight)
        return self.value

    def start(self) -> Flight[None]:
        """Return the flight that is under way, or a new one."""
        with self._lock:
            if self._flight is not None and not self._flight.is_done:
                return self._flight
            is_failing = self._is_failing(self._clock())
            patience = min(self._patience, _PATIENCE_IN_AN_OUTAGE) if is_failing else self._patience
            flight = self._flight = Flight(self._run, patience)
        self._workers.submit(flight)
        return flight

    @property
    def is_loading(self) -> bool:
        return self._flight is not None and not self._flight.is_done

    @property
    def error(self) -> Exception:
        """Why there is no newer value."""
        return self._error or FetchError(f"{shown(self.url)}: the issuer takes longer than {self._patience:g} s")

    def is_due(self, now: float) -> bool:
        """Return whether the background should load: it is time, and the value is in use."""
        is_rested = self._refresh_from < now < self._refresh_at or self._rests(now)
        return not is_rested and self.is_warm(now) and not self.is_loading

    def is_warm(self, now: float) -> bool:
        return now - self.used_at < _WARM

    def seconds_until_due(self, now: float) -> float:
        return _TICK if self.is_loading or self._rests(now) else self._refresh_at - now

    def _is_failing(self, now: float) -> bool:
        # An old failure says nothing about the issuer after a quiet hour, so only recent attempts count.
        is_over = self._place is not None and self._place.failures == 0
        return self.failing_since is not None and now - self.attempted_at < _WARM and not is_over

    def _rests(self, now: float) -> bool:
        return self._place is not None and self._place.rests(now)

    def _run(self) -> None:
        now, began = self._clock(), time.monotonic()
        self.attempted_at = now
        self._refresh_from = now - _WARM
        try:
            value, fresh_until = self._load(self.value)
        except Exception as error:  # noqa: BLE001 - a document that breaks our code is a bad document
            self._error = bare(error)
            if self.failing_since is None:
                self.failing_since = now
            self._place = error.place if isinstance(error, StillNoAnswer) else None
            if self._place is None:
                self._failures += 1
                # The pause counts from the end: an attempt may have taken longer than it.
                self._refresh_at = now + (time.monotonic() - began) + pause(self._failures)
            self._report(error)
            return
        self.value, self.fresh_until, self.loaded_at = value, fresh_until, now
        self._failures, self.failing_since, self._error, self._place = 0, None, None, None
        self._refresh_at = now + max(fresh_until - now, 0.0) * _jitter.uniform(0.4, 0.6)


class Refresher:
    """One daemon thread that starts the loads that are due. It ends when no value was used for a minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._remotes: list[Remote[Any]] = []
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """After a fork: the thread exists only in the parent."""
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        for remote in self._remotes:
            remote.reset_after_fork()

    def add(self, remote: Remote[Any]) -> None:
        with self._lock:
            self._remotes = [*self._remotes, remote]

    def remove(self, remote: Remote[Any]) -> None:
        with self._lock:
            self._remotes = [other for other in self._remotes if other is not remote]

    def wake(self) -> None:
        """Let the thread look for due values now."""
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    thread = threading.Thread(target=self._run, name="authserver-resource", daemon=True)
                    with suppress(RuntimeError):  # no more threads: a later request tries again
                        thread.start()
                        self._thread = thread
        if not self._woken.is_set():
            self._woken.set()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _work(self) -> None:
        woken = self._woken
        while True:
            woken.clear()
            now = self._clock()
            for remote in self._remotes:
                if remote.is_due(now):
                    remote.start()
            with self._lock:
                warm = [remote for remote in self._remotes if remote.is_warm(now)]
                if not warm:
                    self._thread = None
                    return
            soonest = min(remote.seconds_until_due(self._clock()) for remote in warm)
            woken.wait(min(max(soonest, 0.05), _TICK))
