"""What metadata, keys, lists and introspection share to reach the issuer: a fetcher, a clock, threads, a log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from authserver_resource.fetching import Fetcher
from authserver_resource.flights import Flight, Workers
from authserver_resource.remote import Refresher, Remote

T = TypeVar("T")

_log = logging.getLogger("authserver_resource")
#: Of each kind one line in so many seconds: an outage must not fill a disk.
_SECONDS_OF_A_LINE = 60.0
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
        self._said_at: dict[str, float] = {}
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Replace locks and threads after a fork."""
        self._lock = threading.Lock()
        self.fetcher.reset_after_fork()
        self.refresher.reset_after_fork()
        self._workers.reset_after_fork()

    def keep(
        self, what: str, url: str, load: Callable[[T | None], tuple[T, float]], *, background: bool = True
    ) -> Remote[T]:
        """Keep a value of the issuer, refreshed in the background by default. `what` names its kind in the log."""
        made = Remote(
            url,
            load,
            self._workers,
            self.refresher.wake,
            clock=self.clock,
            patience=self.patience,
            # What needs a value that is not kept in the background reports its failure, too.
            report=lambda error: self.report(what, error) if background else None,
        )
        if background:
            self.refresher.add(made)
        return made

    def prepare(self, work: Callable[[], T]) -> Flight[T]:
        return Flight(work, self.patience)

    def send(self, flight: Flight[T]) -> None:
        self._workers.submit(flight)

    def report(self, what: str, error: Exception) -> None:
        """Say in the log why the issuer cannot be used."""
        now = time.monotonic()
        with self._lock:
            if now - self._said_at.get(what, float("-inf")) < _SECONDS_OF_A_LINE:
                return
            self._said_at[what] = now
        _log.warning("%s cannot be had: %s", what, error)
