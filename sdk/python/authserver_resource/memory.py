"""A bounded memory of answers, safe for threads. Its keys are digests, so it keeps no token."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Memory(Generic[T]):
    """Keeps the newest `size` answers. Tokens live for minutes, so to drop the oldest first is good enough."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._answers: dict[bytes, T] = {}
        #: A look-up is one dictionary access; only changes take the lock.
        self.get = self._answers.get
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Replace the lock after a fork."""
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
