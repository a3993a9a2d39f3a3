"""The threads that hash. All other threads of the machine go first, so a storm of sign-ins delays no refresh.

A thread that has made room for others cannot go back without privileges. So requests do not hash on their own threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

#: Added to the niceness. On a busy core a hash gets a tenth of the time of a request: it is slow, and goes on.
_NICER: Final = 10

_T = TypeVar("_T")


class HashingThreads:
    """As many threads as hashes may run at once. They begin when they are needed first. Safe for threads, not for forks."""

    def __init__(self, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, "hashing", initializer=_make_room)

    def run(self, work: Callable[[], _T]) -> _T:
        """Wait for the result of work that releases the GIL while it takes long. Raises what it raises."""
        return self._executor.submit(work).result()


def _make_room() -> None:
    os.nice(_NICER)  # of this thread alone, on Linux
