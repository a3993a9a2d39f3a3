"""When each client secret was last used. Kept in memory and written in intervals, so a token request costs nothing.

It shows whether the old secret is still in use after a rotation, and which clients have never used a secret.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from authserver.clients import store
from authserver.database.engine import Database

#: Each process writes the use of one secret at most this often.
_WRITE_EVERY_MS: Final = 180_000
_ROWS_A_TRANSACTION: Final = 100

_Key = tuple[str, bytes]


class SecretUses:
    """Keeps uses until they are flushed. One per process. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: dict[_Key, int] = {}
        self._waiting: dict[_Key, int] = {}

    def note(self, client_id: str, digest: bytes) -> None:
        """Note that a client has just used the secret with this digest."""
        key, now = (client_id, digest), time.time_ns() // 1_000_000
        if now - self._noted.get(key, 0) < _WRITE_EVERY_MS:
            return
        with self._lock:
            self._noted[key] = self._waiting[key] = now

    def flush(self, database: Database) -> None:
        """Write the noted uses. If that fails, the rest is kept for the next time."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        # In the order of client_id: two nodes that lock the same rows in different orders deadlock.
        keys = sorted(waiting)
        try:
            while keys:
                some = keys[:_ROWS_A_TRANSACTION]
                with database.transaction() as connection:
                    for client_id, digest in some:
                        store.note_secret_use(connection, client_id, digest, waiting[client_id, digest])
                del keys[: len(some)]
        finally:
            with self._lock:
                # A later use of the same secret may have been noted meanwhile.
                self._waiting = {key: waiting[key] for key in keys} | self._waiting
