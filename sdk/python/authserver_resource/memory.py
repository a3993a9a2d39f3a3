"""A bounded memory of answers, safe for threads. Keys are digests: no token is kept."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Memory(Generic[T]):
    """The newest `size` answers. The oldest goes first: a token lives for minutes, so order of arrival is near enough."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._answers: dict[bytes, T] = {}
        #: Lookups cost one dictionary access; only changes are locked.
        self.get = self._answers.get
        self.unlock()

    def unlock(self) -> None:
        """After a fork."""
        self._lock = threading.Lock()

    def put(self, key: bytes, answer: T) -> None:
        if self._size <= 0:
            return
        with self._lock:
            if key not in self._answers and len(self._answers) >= self._size:
                del self._answers[next(iter(self._answers))]
            self._answers[key] = answer

    def forget(self, key: bytes) -> None:
        with self._lock:
            self._answers.pop(key, None)

    def __len__(self) -> int:
        return len(self._answers)
