"""What the server does by itself: key rotation, sweeps, pruning. Every node may do all of it at any time.

One thread a worker wakes up now and then. Each task claims its work by conditional statements or skips what another
node has locked, so that nothing has to be elected and any node may die.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from authserver.database import Database, Unavailable
from authserver.keys.rotation import KeyRotation
from authserver.sessions import retention
from authserver.sessions.sweep import sweep
from authserver.settings import RetentionSettings

_log = structlog.get_logger("authserver.housekeeping")

_KEYS_SECONDS = 60.0
_SWEEP_SECONDS = 5.0
_jitter = random.SystemRandom()


@dataclass(slots=True)
class _Task:
    name: str
    every: float  # seconds
    run: Callable[[], None]
    due: float


class Housekeeping:
    """Runs the tasks until it is stopped. Start it in the worker, after the fork."""

    def __init__(self, database: Database, rotation: KeyRotation, settings: RetentionSettings) -> None:
        self._database = database
        self._settings = settings
        self._stopped = threading.Event()
        now = time.monotonic()
        # Workers that start together should not prune together; a random first turn spreads them.
        self._tasks = [
            _Task("keys", _KEYS_SECONDS, rotation.maintain, now + _jitter.uniform(0, _KEYS_SECONDS)),
            _Task("sweep", _SWEEP_SECONDS, self._sweep, now),
            _Task(
                "prune",
                settings.prune_interval,
                self._prune,
                now + _jitter.uniform(0, settings.prune_interval),
            ),
        ]
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End after the batch that is under way."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            task = min(self._tasks, key=lambda task: task.due)
            if self._stopped.wait(max(0.0, task.due - time.monotonic())):
                return
            try:
                task.run()
            except Unavailable as error:
                _log.warning("housekeeping_put_off", task=task.name, error=type(error).__name__)
            except Exception:  # noqa: BLE001 - one task that fails must not end the others
                _log.exception("housekeeping_failed", task=task.name)
            task.due = time.monotonic() + task.every * _jitter.uniform(0.9, 1.1)

    def _sweep(self) -> None:
        sweep(self._database, batch=self._settings.prune_batch)

    def _prune(self) -> None:
        batch = self._settings.prune_batch
        self._go_through(retention.prune_sessions(self._database, keep=self._settings.ended_sessions, batch=batch))
        self._go_through(retention.prune_audit(self._database, keep=self._settings.audit, batch=batch))
        retention.erase_removed(self._database, batch=batch)

    def _go_through(self, batches: Iterable[object]) -> None:
        for _ in batches:
            if self._stopped.is_set():
                return
