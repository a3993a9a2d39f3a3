"""Requests to the issuer that are under way. Threads of the library make them, and callers wait for a bounded time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Generic, TypeVar

from authserver_resource.errors import FetchError, bare

T = TypeVar("T")

#: The flights that a call has waited for; None if it may not wait any more.
Waited = tuple["Flight[Any]", ...] | None
_MOST_THREADS = 16


class Flight(Generic[T]):
    """Work that runs once. Its callers wait together, until `patience` seconds after its start and no longer."""

    def __init__(self, work: Callable[[], T], patience: float) -> None:
        self.is_waited_for = False
        self._work = work
        self._until = time.monotonic() + patience
        self._claim = threading.Lock()
        self._end: Future[None] = Future()
        self._end.set_running_or_notify_cancel()  # from here on no caller can cancel it for the others
        self._value: T | None = None
        self._error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self._end.done()

    @property
    def is_overdue(self) -> bool:
        return time.monotonic() >= self._until

    def result(self) -> T | None:
        """Return what the work returned, or raise what it raised; None before the end."""
        if self._error is not None:
            # Each caller that raises it would add its frames, which hold the token.
            raise self._error.with_traceback(None)
        return self._value

    def when_ended(self, act: Callable[[], object]) -> None:
        self._end.add_done_callback(lambda _: act())

    def run(self) -> None:
        """Do the work, unless another thread does it."""
        if not self._claim.acquire(blocking=False):
            return
        try:
            self._value = self._work()
        except BaseException as error:  # noqa: BLE001 - `result` raises it for those who ask
            self._error = bare(error)
        self._end.set_result(None)

    def give_up(self, error: FetchError) -> None:
        """End without the work, unless a thread does it."""
        if self._claim.acquire(blocking=False):
            self._error = error
            self._end.set_result(None)

    def wait(self, seconds: float) -> None:
        """Wait for the end. A thread of the library does work that no thread has begun: a queue could be endless."""
        is_worker = isinstance(threading.current_thread(), _Worker)
        if is_worker:
            self.run()
        wait([self._end], seconds if is_worker else self._seconds_left(seconds))

    async def wait_async(self, seconds: float) -> None:
        await asyncio.wait([asyncio.wrap_future(self._end)], timeout=self._seconds_left(seconds))

    def _seconds_left(self, seconds: float) -> float:
        return max(min(seconds, self._until - time.monotonic()), 0.0)


class WouldWait(Exception):
    """Internal: the check needs the end of this flight."""

    def __init__(self, flight: Flight[Any]) -> None:
        super().__init__()
        self.flight = flight


def settle(attempt: Callable[[Waited], T], seconds: float) -> T:
    """Call `attempt`, and wait for the flights that it needs: for all of them together so many seconds."""
    try:
        return attempt(())
    except WouldWait as pending:
        waited: tuple[Flight[Any], ...] = (pending.flight,)
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        waited[-1].wait(left)
        try:
            return attempt(waited)
        except WouldWait as pending:
            waited += (pending.flight,)
    return attempt(None)


async def settle_async(attempt: Callable[[Waited], T], seconds: float) -> T:
    """Do as `settle` does, and take no thread for it."""
    try:
        return attempt(())
    except WouldWait as pending:
        waited: tuple[Flight[Any], ...] = (pending.flight,)
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        await waited[-1].wait_async(left)
        try:
            return attempt(waited)
        except WouldWait as pending:
            waited += (pending.flight,)
    return attempt(None)


class _Worker(threading.Thread):
    """A thread of the library."""


class Workers:
    """A few daemon threads, which live while there is work. The executors of an application stay its own."""

    def __init__(self) -> None:
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """After a fork: the threads exist only in the parent."""
        self._lock = threading.Lock()
        self._queue: deque[Flight[Any]] = deque()
        self._running = 0

    def submit(self, flight: Flight[Any]) -> None:
        with self._lock:
            self._queue.append(flight)
            if self._running >= _MOST_THREADS:
                return
            self._running += 1
        try:
            _Worker(target=self._work, name="authserver-resource-fetch", daemon=True).start()
        except RuntimeError:  # the machine gives no more threads, or the program ends
            with self._lock:
                self._running -= 1
            flight.give_up(FetchError("no thread can be started"))

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._running -= 1
                    return
                flight = self._queue.popleft()
            if flight.is_overdue:
                flight.give_up(FetchError("too many requests to the issuer are under way"))
            flight.run()
