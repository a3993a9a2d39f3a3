"""How the issuer is reached: one fetcher, one clock, one background thread, shared by all that is kept from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from authserver_resource.fetching import Fetcher
from authserver_resource.remote import Refresher, Remote

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reach:
    """`clock` gives seconds since the epoch; `patience` is how long one thread waits for another's fetch."""

    fetcher: Fetcher
    refresher: Refresher
    clock: Callable[[], float]
    patience: float

    def keep(
        self, load: Callable[[T | None], tuple[T, float]], *, longest_pause: float, background: bool = True
    ) -> Remote[T]:
        """Keep a value from afar, by default refreshed in the background."""
        made = Remote(load, self.refresher.wake, patience=self.patience, longest_pause=longest_pause)
        if background:
            self.refresher.add(made)
        return made
