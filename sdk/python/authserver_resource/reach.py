"""What metadata, keys, lists and introspection share to reach the issuer: a fetcher, a clock, a background thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from authserver_resource.fetching import Fetcher
from authserver_resource.remote import Refresher, Remote

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reach:
    """`clock` gives seconds since the epoch; `patience`: seconds that a thread waits for another's fetch."""

    fetcher: Fetcher
    refresher: Refresher
    clock: Callable[[], float]
    patience: float

    def keep(
        self, load: Callable[[T | None], tuple[T, float]], *, longest_pause: float, background: bool = True
    ) -> Remote[T]:
        """Keep a value of the issuer, refreshed in the background by default."""
        made = Remote(load, self.refresher.wake, patience=self.patience, longest_pause=longest_pause)
        if background:
            self.refresher.add(made)
        return made
