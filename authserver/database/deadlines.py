"""How long a thread may wait for the database, and the database's clock as this process knows it.

A PostgreSQL that is stopped goes on acknowledging what it receives, so no time-out of the kernel ends the wait for an
answer. Each wait of the driver ends by a deadline of the thread instead, and the connection is closed then.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from authserver.serving.presence import waited

#: Seconds that a thread without a deadline waits for another that reads the database.
_FOR_A_LOCK = 5.0
#: An answer that took longer, in seconds, says too little about the database's clock.
_TELLING = 1.0


class _Thread(threading.local):
    until = math.inf  # by time.monotonic()


_here = _Thread()


def until() -> float:
    """When this thread's time for the database ends, by `time.monotonic()`; infinite outside of all blocks."""
    return _here.until


def left() -> float:
    """The seconds until then."""
    return _here.until - time.monotonic()


def for_a_lock() -> float:
    """The seconds that this thread may wait for a lock, whose holder waits for the database."""
    return max(0.0, min(left(), _FOR_A_LOCK))


def begin(seconds: float) -> float:
    """Begin a block as `within` does, without the cost of a generator. Returns what `end` needs."""
    before = _here.until
    _here.until = min(before, time.monotonic() + seconds - waited())
    return before


def end(before: float) -> None:
    """End the block."""
    _here.until = before


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let all waits for the database in this block end after so many seconds, or earlier if the block around says so.

    The time that the request waited for a thread is taken off.
    """
    before = begin(seconds)
    try:
        yield
    finally:
        end(before)


@contextmanager
def paused() -> Iterator[None]:
    """Do not count the time of this block: the thread does something else than wait for the database."""
    began = time.monotonic()
    try:
        yield
    finally:
        _here.until += time.monotonic() - began


@dataclass(slots=True)
class Clock:
    """What this process knows of the database's clock: by how much it is ahead of `time.monotonic()`, in milliseconds.

    The error is at most the time that the answer took which it was learned from, and only to the late side.
    """

    _ahead: float | None = None

    def learn(self, now: int, asked_at: float, *, surely: bool = False) -> None:
        """Note the database's time in an answer that was just received, and when it was asked for.

        `surely` is for a reader who has found this clock wrong: then an answer counts that took long as well.
        """
        if surely or self._ahead is None or time.monotonic() - asked_at < _TELLING:
            self._ahead = now - asked_at * 1000

    def at(self, moment: float) -> int:
        """The database's time at a moment of `time.monotonic()`. Without any knowledge 0, which is past."""
        if self._ahead is None:
            return 0
        return 2**62 if moment == math.inf else round(moment * 1000 + self._ahead)
