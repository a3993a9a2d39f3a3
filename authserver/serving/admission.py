"""Admission: which requests get a thread. Some threads stay free for requests that wait for nothing.

A request that may wait for a database gets one of the other threads. If they are all taken it waits in a queue, which a
burst fills for a moment. Once the queue is full or does not move, further requests are refused at once. Of one kind a
worker takes only a few at once: they never get that far.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from wsgiref.types import WSGIApplication

from authserver.serving.presence import Presence

#: Requests that wait in one worker. Each has a body of at most `server.max_body_bytes`.
_MOST = 256
#: Ticks without progress after which the queue counts as stuck, and ticks that a request waits at most. They are counted,
#: because a machine that pauses lets time pass for all, and no tick.
_TICK = 0.1
_STUCK = 5
_PATIENCE = 30


@dataclass(frozen=True, slots=True)
class Bounded:
    """A kind of requests that a worker takes only a few of at once, on threads of their own.

    `has` tells from the WSGI environment whether a request is of this kind. No more than `most` are under way, and none is
    taken while `is_full`. `refuse` answers the surplus.
    """

    most: int
    has: Callable[[dict[str, Any]], bool]
    is_full: Callable[[], bool]
    refuse: WSGIApplication


@dataclass(frozen=True, slots=True)
class Hints:
    """What an application says about its requests. All are called in the event loop, so they must not wait.

    `at_hand` tells from the WSGI environment whether a request waits for nothing. `on_refused` is called for each
    request that was refused for lack of threads, and `headers` gives the headers that the refusal has beside its own.
    `kept_free` threads of a worker, at most a quarter, are never taken by requests that may wait.
    """

    kept_free: int
    at_hand: Callable[[dict[str, Any]], bool]
    on_refused: Callable[[], None]
    headers: Callable[[dict[str, Any]], Iterable[tuple[str, str]]] = lambda _environ: ()
    bounded: Bounded | None = None


class Admission:
    """The places of one worker for requests that may wait. All of it runs in the event loop, so it needs no lock."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken = 0
        self._waiting: deque[tuple[asyncio.Future[bool], Presence, int]] = deque()
        self.ticks = 0
        self._moved_at = 0  # in ticks
        self._ticking = False

    async def enter(self, presence: Presence) -> bool:
        """Take a place, perhaps after waiting. Returns False if the request is refused."""
        if self._taken < self._places:
            self._take()
            return True
        if len(self._waiting) >= _MOST or self._is_stuck():
            return False
        loop = asyncio.get_running_loop()
        admitted: asyncio.Future[bool] = loop.create_future()
        self._waiting.append((admitted, presence, self.ticks))
        if not self._ticking:
            self._ticking = True
            loop.call_later(_TICK, self._tick, loop)
        return await admitted

    def leave(self, *, progress: bool) -> None:
        """Give the place back. `progress` says that places become free: what the request may have waited for does its work."""
        self._taken -= 1
        if progress:
            self._moved_at = self.ticks
        while self._waiting and self._taken < self._places:
            admitted, presence, _ = self._waiting.popleft()
            if admitted.done():  # cancelled, because the server stops
                continue
            if presence.may_be_gone():
                admitted.set_result(False)
            else:
                self._take()
                admitted.set_result(True)

    def _take(self) -> None:
        if self._taken == 0:
            self._moved_at = self.ticks
        self._taken += 1

    def _is_stuck(self) -> bool:
        return self.ticks - self._moved_at >= _STUCK

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ticks += 1
        while self._waiting and (self._is_stuck() or self.ticks - self._waiting[0][2] >= _PATIENCE):
            admitted = self._waiting.popleft()[0]
            if not admitted.done():
                admitted.set_result(False)
        self._ticking = bool(self._waiting)
        if self._ticking:
            loop.call_later(_TICK, self._tick, loop)
