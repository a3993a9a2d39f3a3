"""Knows what does not answer, so that requests to it fail at once and do not wait."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from authserver_resource.errors import FetchError

#: SystemRandom has no state: forks do not share one, and a program that seeds `random` keeps its sequence.
_jitter = random.SystemRandom()
#: Between attempts. A revocation arrives so late when the issuer is back.
_LONGEST_PAUSE = 2.0
#: One lost packet is no outage.
_FAILURES_OF_AN_OUTAGE = 2


def pause(failures: int) -> float:
    """Return the seconds to the next attempt. Jitter keeps many APIs from coming back at the same moment."""
    return min(2.0 ** min(failures - 1, 10), _LONGEST_PAUSE) * _jitter.uniform(0.5, 0.9)


class NoAnswer(FetchError):
    """No whole answer came: it was refused, lost or too late."""


class StillNoAnswer(NoAnswer):
    """Nothing was sent: it is too early for another attempt at this place, or one is under way."""

    def __init__(self, place: Place) -> None:
        super().__init__(str(place.last))
        self.place = place


class Place:
    """What the last requests to a place say about the next one."""

    def __init__(self) -> None:
        self.failures = 0
        self.is_tried = False
        self.last: NoAnswer | None = None
        self.retry_from = 0.0
        self.retry_at = 0.0

    def rests(self, now: float) -> bool:
        """Return whether it is too early for another attempt."""
        # A clock that is set back must not make the pause longer.
        is_pause = self.retry_from <= now < self.retry_at
        return self.failures >= _FAILURES_OF_AN_OUTAGE and (is_pause or self.is_tried)


class Outages:
    """After failures in a row one request at a time tries a place, with pauses. The others fail with the last reason.

    A place is a kind of document on a server: a proxy may answer for one kind while another one hangs.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Forget the attempts of other threads: after a fork those threads do not exist."""
        self._lock = threading.Lock()
        self._places: dict[str, Place] = {}

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """Surround a request to this place. Raises StillNoAnswer at once while it is known not to answer."""
        began_at, began = self._clock(), time.monotonic()
        with self._lock:
            place = self._places.setdefault(name, Place())
            if place.rests(began_at):
                raise StillNoAnswer(place)
            place.is_tried = True
        failure: NoAnswer | None = None
        try:
            yield
        except NoAnswer as error:
            failure = error
            raise
        finally:
            with self._lock:
                place.is_tried = False
                place.failures = 0 if failure is None else place.failures + 1
                place.last = failure
                place.retry_from = began_at
                place.retry_at = began_at + (time.monotonic() - began) + pause(place.failures)
