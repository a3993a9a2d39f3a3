"""A value of the issuer: fresh for a time, refreshed in the background, used after its time in an outage."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from authserver_resource.errors import VerificationError, WouldWait
from authserver_resource.fetching import FetchError

T = TypeVar("T")

#: SystemRandom has no state: forks do not share one, and a program that seeds `random` keeps its sequence.
_jitter = random.SystemRandom()

#: A value is no longer refreshed after so many seconds without a use.
_WARM = 60.0
_TICK = 1.0


class Remote(Generic[T]):
    """One value, loaded by one thread at a time.

    `load(old)` returns the value and the time until which it is fresh; it raises FetchError or VerificationError.
    The background refreshes a value from about half of its fresh time on. A request waits only for the first value, and
    for a value that became stale without use. It never waits while the issuer is known to be unreachable.
    """

    def __init__(
        self,
        load: Callable[[T | None], tuple[T, float]],
        wake: Callable[[], None],
        *,
        patience: float,
        longest_pause: float,
    ) -> None:
        self._load = load
        self._longest_pause = longest_pause
        self._wake = wake
        self._patience = patience
        self.value: T | None = None
        self.loaded_at = 0.0
        self.fresh_until = 0.0
        self.used_at = 0.0
        self.attempted_at = 0.0
        #: The time of the first failure since the last success; None while loading works.
        self.failing_since: float | None = None
        self._refresh_at = 0.0
        #: A clock that is set back must not make a value last longer: before this time it is refreshed, too.
        self._refresh_from = 0.0
        self._failures = 0
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Forget the loads of other threads: after a fork those threads do not exist."""
        self._lock = threading.Lock()
        self._flight: threading.Event | None = None

    def get(self, now: float, *, wait: bool) -> T | None:
        """Return the value, which may be stale, or None. Raises WouldWait if it must wait and may not."""
        self.used_at = now
        if self._refresh_from < now < self._refresh_at:
            return self.value
        if self.value is not None and (now < self.fresh_until or self._is_failing(now)):
            self._wake()
            return self.value
        return self.refresh(now, wait=wait)

    def refresh(self, now: float, *, wait: bool = True) -> T | None:
        """Load now, or wait for the load that is under way. A failure keeps the old value."""
        if not wait:
            raise WouldWait
        with self._lock:
            flight = self._flight
            if flight is None:
                mine = self._flight = threading.Event()
        if flight is not None:
            flight.wait(self._patience)
            return self.value
        try:
            self._run(now)
        finally:
            self._flight = None
            mine.set()
        return self.value

    @property
    def is_loading(self) -> bool:
        return self._flight is not None

    def is_due(self, now: float) -> bool:
        """Return whether the background should load: it is time, and the value is in use."""
        is_rested = self._refresh_from < now < self._refresh_at
        return not is_rested and self.is_warm(now) and self._flight is None

    def is_warm(self, now: float) -> bool:
        return now - self.used_at < _WARM

    def seconds_until_due(self, now: float) -> float:
        return self._refresh_at - now

    def _is_failing(self, now: float) -> bool:
        # An old failure says nothing about the issuer after a quiet hour, so only recent attempts count.
        return self.failing_since is not None and now - self.attempted_at < _WARM

    def _run(self, now: float) -> None:
        self.attempted_at = now
        self._refresh_from = now - _WARM
        try:
            value, fresh_until = self._load(self.value)
        except (FetchError, VerificationError):
            self._failures += 1
            if self.failing_since is None:
                self.failing_since = now
            pause = min(2.0 ** min(self._failures - 1, 10), self._longest_pause)
            # Jitter keeps many APIs from coming back at the same moment.
            self._refresh_at = now + pause * _jitter.uniform(0.5, 1.0)
            return
        self.value, self.fresh_until, self.loaded_at = value, fresh_until, now
        self._failures, self.failing_since = 0, None
        self._refresh_at = now + max(fresh_until - now, 0.0) * _jitter.uniform(0.4, 0.6)


class Refresher:
    """One daemon thread that loads the values that are due. It ends when no value was used for a minute."""

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
                    self._thread = threading.Thread(target=self._run, name="authserver-resource", daemon=True)
                    self._thread.start()
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
                    remote.refresh(now)
            with self._lock:
                warm = [remote for remote in self._remotes if remote.is_warm(now)]
                if not warm:
                    self._thread = None
                    return
            soonest = min(remote.seconds_until_due(self._clock()) for remote in warm)
            woken.wait(min(max(soonest, 0.05), _TICK))
