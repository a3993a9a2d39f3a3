"""Lets a flood through at a bounded rate, and counts the rest by kind."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

Kind = TypeVar("Kind", bound=Hashable)


class BoundedRate(Generic[Kind]):
    """Of each kind at most `burst` at once and `rate` a second pass, in this process. Safe for threads."""

    def __init__(self, *, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._lock = threading.Lock()
        self._buckets: dict[Kind, tuple[float, float, int]] = {}

    def admit(self, kind: Kind, now: float) -> int | None:
        """Return how many of the kind were passed over since the last that passed, or None if this one is too.

        `now` is in seconds of a clock that never goes back.
        """
        with self._lock:
            tokens, at, passed_over = self._buckets.get(kind, (float(self._burst), now, 0))
            tokens = min(self._burst, tokens + (now - at) * self._rate)
            if tokens < 1:
                self._buckets[kind] = (tokens, now, passed_over + 1)
                return None
            self._buckets[kind] = (tokens - 1, now, 0)
            return passed_over

    def pass_over(self, kind: Kind, count: int) -> None:
        """Count what was admitted as passed over after all."""
        with self._lock:
            tokens, at, passed_over = self._buckets[kind]
            self._buckets[kind] = (tokens, at, passed_over + count)

    def pause(self, kind: Kind, now: float, seconds: float) -> None:
        """Let none of the kind pass for so many seconds."""
        with self._lock:
            _, _, passed_over = self._buckets[kind]
            self._buckets[kind] = (1 - seconds * self._rate, now, passed_over)
