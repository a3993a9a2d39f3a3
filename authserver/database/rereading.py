"""Reading again beside requests: who has an old copy uses it rather than wait for a database that is slow or away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from authserver.database.failures import Unavailable

_log = structlog.get_logger("authserver.database")

#: Seconds that a request waits for a newer copy. What needs no database is to be answered within 0.1 s.
BRIEFLY = 0.03
#: Seconds after a failure before the next attempt.
_PAUSE = 1.0


class Rereading:
    """Lets a thread of its own read, one at a time. Safe for threads.

    `read` keeps what it read. A failure of the database leaves the old copy in use, and other failures are logged.
    """

    def __init__(self, read: Callable[[], object]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._done: threading.Event | None = None  # of the reading that is under way
        self._began = 0.0
        self._failed_at = float("-inf")

    def wait(self, seconds: float = BRIEFLY) -> None:
        """Begin to read, unless that is under way, and wait until so many seconds after its beginning."""
        with self._lock:
            now = time.monotonic()
            done = self._done
            if done is None:
                if now - self._failed_at < _PAUSE:
                    return
                done, self._began = threading.Event(), now
                thread = threading.Thread(target=self._run, args=(done,), name="rereading", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the machine has no room for a thread: the next request tries again
                    self._failed_at = now
                    return
                self._done = done
            left = self._began + seconds - now
        if left > 0:
            done.wait(left)

    def _run(self, done: threading.Event) -> None:
        try:
            self._read()
        except Unavailable:  # the database has noted it
            self._failed_at = time.monotonic()
        except Exception:  # noqa: BLE001 - the old copy stays in use
            self._failed_at = time.monotonic()
            _log.exception("rereading_failed")
        with self._lock:
            self._done = None
        done.set()
