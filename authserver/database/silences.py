"""Silences: when no write could be committed. Retry windows do not pass meanwhile, since no client could come back."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Sequence

#: Silences that a process remembers. The oldest are longer ago than any retry window in all but the worst case.
_KNOWN = 64
#: Two silences with less time between them, in seconds, are one.
_GAP = 1.0

#: When a silence began and ended, by `time.monotonic()`.
Silence = tuple[float, float]


class Silences:
    """The silences that a process knows of. Safe for threads.

    Its own last from a failure, or a little before it, to the next write that is committed. What failed first was asked at
    most `timeout` seconds before. An answer to a question ends no silence: commits may hang while reads are answered, as
    when the only synchronous standby is gone. Those of all workers come from the heartbeat.
    """

    def __init__(self, timeout: float) -> None:
        self.failed_at = -math.inf
        self._timeout = timeout
        self._lock = threading.Lock()
        self._answered_at = self._failed_first_at = -math.inf
        self._own: deque[Silence] = deque(maxlen=_KNOWN)
        self._common: Sequence[Silence] = ()

    def note_failure(self) -> None:
        with self._lock:
            self.failed_at = time.monotonic()
            if self._failed_first_at <= self._answered_at:
                self._failed_first_at = self.failed_at

    @property
    def is_on(self) -> bool:
        return self._failed_first_at > self._answered_at

    def note_write(self) -> None:
        """Note that a write was committed."""
        with self._lock:
            if self.is_on:  # else another thread was first
                begin, end = self._present()
                if self._own and begin - self._own[-1][1] < _GAP:  # one outage, not several
                    begin = self._own.pop()[0]
                self._own.append((begin, end))
                self._answered_at = end

    def note_common(self, silences: Sequence[Silence]) -> None:
        """Note the silences of all workers. They replace those that were noted before."""
        self._common = silences

    def stretched(self, seconds: float) -> float:
        """How long ago so many seconds began, if silences are left out of them. No time is in 0 seconds."""
        if not (self.is_on or self._own or self._common):
            return seconds
        with self._lock:
            known = [*self._common, *self._own, *([self._present()] if self.is_on else [])]
        now = reached = time.monotonic()
        for begin, end in sorted(known, key=lambda silence: silence[1], reverse=True):
            between = max(0.0, reached - end)
            if between >= seconds:
                break
            seconds -= between
            reached = min(reached, begin)
        return now - reached + seconds

    def _present(self) -> Silence:
        return max(self._answered_at, self._failed_first_at - self._timeout), time.monotonic()
