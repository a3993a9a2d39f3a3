"""What metadata, keys, lists and introspection share to reach the issuer: a fetcher, a clock, threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from authserver_resource.fetching import Fetcher
from authserver_resource.flights import Flight, Workers
from authserver_resource.remote import Refresher, Remote

T = TypeVar("T")

#: A call waits a little longer than a request lasts, so it learns why the request failed.
_SECONDS_OF_A_REASON = 0.25


class Reach:
    """`clock` gives seconds since the epoch; `patience`: seconds that a call waits for the issuer."""

    def __init__(self, clock: Callable[[], float], timeout: float) -> None:
        self.clock = clock
        self.patience = timeout + _SECONDS_OF_A_REASON
        self.fetcher = Fetcher(timeout, clock)
        self.refresher = Refresher(clock)
        self._workers = Workers()

    def reset_after_fork(self) -> None:
        """Replace locks and threads after a fork."""
        self.fetcher.reset_after_fork()
        self.refresher.reset_after_fork()
        self._workers.reset_after_fork()

    def keep(self, load: Callable[[T | None], tuple[T, float]], *, background: bool = True) -> Remote[T]:
        """Keep a value of the issuer, refreshed in the background by default."""
        made = Remote(load, self._workers, self.refresher.wake, clock=self.clock, patience=self.patience)
        if background:
            self.refresher.add(made)
        return made

    def prepare(self, work: Callable[[], T]) -> Flight[T]:
        return Flight(work, self.patience)

    def send(self, flight: Flight[T]) -> None:
        self._workers.submit(flight)
