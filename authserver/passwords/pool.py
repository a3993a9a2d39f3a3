"""Limits how many passwords are hashed at once: each process has a bounded queue for slots that the machine shares.

A request's own thread takes a slot, waits for the thread that hashes (`threads`), and gives the slot back.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from authserver.database import deadlines
from authserver.passwords.slots import MachineSlots
from authserver.passwords.threads import HashingThreads
from authserver.records.metrics import HASHING_REFUSED
from authserver.refusals.exceptions import TryLater
from authserver.refusals.reasons import Reason
from authserver.serving.presence import client_may_be_gone

_T = TypeVar("_T")


class HashingOverloaded(TryLater):
    """No password can be hashed now: answer 429 or 503 with `Retry-After: retry_after` (whole seconds, at least 1)."""

    def __init__(self, retry_after: int) -> None:
        detail = f"password hashing is at its limit, try again in {retry_after} s"
        super().__init__(Reason.HASHING_OVERLOADED, retry_after=retry_after, detail=detail)


def usable_cores() -> int:
    """The processors that this process may run on. A container's CPU quota is not seen: set the capacity there."""
    return len(os.sched_getaffinity(0))


class HashingPool:
    """Admission to the slots: first come, first served in this process, fair to the others. Fork-safe.

    Only the first caller in the queue looks for a slot. So each process gets an equal share, however long its queue is,
    and a storm on one worker does not starve the others.

    Args:
        directory: of the slot files; made with mode 0700 if missing, refused if others may enter it.
        capacity: hashes at once on the machine; None for one less than the cores, but at least 1. Where processes
            differ, as in a rolling change of the setting, the largest figure holds.
        queue: most callers of this process in `admitted()` or `slot()`, waiting or working. Each holds a thread of the
            worker, so it has to be below the worker's number of threads.
        patience: seconds to wait for a slot, because a stopped process may keep one for ever.

    Raises:
        HashingDirectoryRefused: at construction.
    """

    def __init__(self, directory: Path, *, capacity: int | None, queue: int, patience: float = 5.0) -> None:
        self.capacity = max(1, usable_cores() - 1) if capacity is None else capacity
        if self.capacity < 1 or queue < 1 or patience <= 0:
            raise ValueError("capacity and queue have to be at least 1, and patience above 0")
        self.queue = queue
        self.patience = patience
        self.refused_full = 0
        self.refused_late = 0
        self._average_hash = 0.0  # seconds
        self._average_stay = 0.0  # seconds from entry to exit, with the wait for other processes
        self._slots = MachineSlots(directory, self.capacity)
        self._reset_queue()
        _pools.add(self)

    @property
    def waiting(self) -> int:
        """Callers in this process that have no slot yet."""
        return len(self._tickets)

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """Count this thread among the callers for the block. A slot within it costs no second place in the queue.

        For a whole sign-in: its statements come before and after the hash, and if the database is slow they hold a
        thread for as long as a hash does.

        Raises:
            HashingOverloaded: at once, if the queue is full.
        """
        if self._thread.is_admitted:
            yield
            return
        with self._changed:
            if self.is_full:
                raise self.refusal()
            self.callers += 1
        self._thread.is_admitted = True
        try:
            yield
        finally:
            self._thread.is_admitted = False
            with self._changed:
                self.callers -= 1

    @property
    def is_full(self) -> bool:
        """Whether one more caller would be refused."""
        return self.callers >= self.queue

    def refusal(self) -> HashingOverloaded:
        """Count a caller that finds the queue full, and make the exception for it. It waits for nothing."""
        with self._changed:
            self.refused_full += 1
            HASHING_REFUSED.inc()
            return HashingOverloaded(self._retry_after())

    def run(self, work: Callable[[], _T]) -> _T:
        """Hash in one of the machine's slots, and return the result of `work`, or raise what it raises.

        Raises:
            HashingOverloaded: as `slot`.
        """
        with self.slot():
            return self._threads.run(work)

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the machine's slots for the block.

        Raises:
            HashingOverloaded: at once when the queue is full, after `patience` when no slot became free, or after the wait
                if the client has left meanwhile.
        """
        with self.admitted(), deadlines.paused():
            entered = time.monotonic()
            ticket, index = object(), None
            with self._changed:
                self._tickets.append(ticket)
            try:
                index = self._take_slot(ticket, entered + self.patience)
            finally:
                with self._changed:
                    self._tickets.remove(ticket)
                    self.running += index is not None
                    self._changed.notify_all()
            started = time.monotonic()
            try:
                yield
            finally:
                self._slots.release(index)
                with self._changed:
                    self.running -= 1
                    self._average_hash = _moving_average(self._average_hash, time.monotonic() - started)
                    self._average_stay = _moving_average(self._average_stay, time.monotonic() - entered)

    def _take_slot(self, ticket: object, deadline: float) -> int:
        with self._changed:
            queued = self._tickets[0] is not ticket
            first = self._changed.wait_for(lambda: self._tickets[0] is ticket, deadline - time.monotonic())
        waited = False
        while first:
            if (queued or waited) and client_may_be_gone():
                raise HashingOverloaded(self._retry_after())
            if (index := self._slots.try_acquire()) is not None:
                if waited:
                    self._slots.notify()  # `wait` took every hint, and more than one slot may have become free
                return index
            if (left := deadline - time.monotonic()) <= 0:
                break
            self._slots.wait(left)
            waited = True
        with self._changed:
            self.refused_late += 1
            HASHING_REFUSED.inc()
            self._average_stay = _moving_average(self._average_stay, self.patience)
            raise HashingOverloaded(self._retry_after())

    def _retry_after(self) -> int:
        """Seconds until a new caller would be done, by the queue here or by recent stays, whichever is longer."""
        ahead = len(self._tickets) + self.running
        return max(1, math.ceil(max(self._average_hash * ahead / self.capacity, self._average_stay)))

    def _reset_queue(self) -> None:
        self._changed = threading.Condition()
        self._tickets: deque[object] = deque()
        self.running = 0  # callers in this process that have a slot
        self.callers = 0  # all of them: sign-ins that are under way, and other hashes
        self._thread = _Thread()
        self._threads = HashingThreads(self.capacity)

    def after_fork(self) -> None:
        """In the child: forget the parent's callers, whose threads do not exist here, and a lock that one may have."""
        self._reset_queue()
        self._slots.forget()


class _Thread(threading.local):
    is_admitted = False


_pools: weakref.WeakSet[HashingPool] = weakref.WeakSet()


def _reset_pools() -> None:
    for pool in list(_pools):
        pool.after_fork()


os.register_at_fork(after_in_child=_reset_pools)


def _moving_average(average: float, sample: float) -> float:
    """An exponential moving average over about ten samples; the first one counts whole."""
    return average + (sample - average) / 10 if average else sample
