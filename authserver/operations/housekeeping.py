"""What the server does by itself: key rotation, sweeps, pruning. Every node may do all of it at any time.

One thread of each worker runs the tasks. A task claims its work by conditional statements, or skips what another node
has locked, so that no node has to be elected and any node may die.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

import structlog

from authserver.administration.pruning import prune_idempotency_keys
from authserver.clients.secret_use import SecretUses
from authserver.database.engine import Database, Unavailable
from authserver.database.status_indices import StatusIndices
from authserver.keys.rotation import KeyRotation
from authserver.pages import visits
from authserver.records import activity
from authserver.records.activity import ACTIVE_SESSIONS, Activity
from authserver.sessions import listing, retention
from authserver.sessions.sweep import sweep
from authserver.settings.values import RetentionSettings

_log = structlog.get_logger("authserver.housekeeping")

_KEYS_SECONDS = 60.0
_SWEEP_SECONDS = 5.0
_INDICES_SECONDS = 5.0
_FLUSH_SECONDS = 10.0
_SAMPLE_SECONDS = 60.0
#: Counting sessions reads all of them, so it may take no more than this part of a node's time.
_SAMPLE_SHARE = 0.01
_STOP_SECONDS = 5.0
_jitter = random.SystemRandom()


@dataclass(slots=True)
class _Task:
    name: str
    every: float  # seconds
    run: Callable[[], None]
    due: float


class Housekeeping:
    """Runs the tasks until it is stopped. Start it in the worker, after the fork."""

    def __init__(
        self,
        database: Database,
        rotation: KeyRotation,
        settings: RetentionSettings,
        *,
        counted: Activity,
        uses: SecretUses,
        indices: StatusIndices,
    ) -> None:
        self._database = database
        self._settings = settings
        self._activity = counted
        self._uses = uses
        self._sample_after = 0.0
        self._stopped = threading.Event()
        now, interval = time.monotonic(), settings.prune_interval
        # Workers that start together should not prune together: a random first time spreads them.
        self._tasks = [
            _Task("keys", _KEYS_SECONDS, rotation.maintain, now + _jitter.uniform(0, _KEYS_SECONDS)),
            _Task("sweep", _SWEEP_SECONDS, self._sweep, now),
            _Task("indices", _INDICES_SECONDS, indices.check, now + _INDICES_SECONDS),
            _Task("flush", _FLUSH_SECONDS, self.flush, now + _FLUSH_SECONDS),
            _Task("sample", _SAMPLE_SECONDS, self.sample, now),
            _Task("prune", interval, self._prune, now + _jitter.uniform(0, interval)),
        ]
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End after the batch that is under way, and write what was counted until now."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        try:
            self.flush()
        except Unavailable as error:
            _log.warning("housekeeping_put_off", task="flush", error=type(error).__name__)

    def flush(self) -> None:
        """Write the counts and uses that requests have noted."""
        self._activity.flush(self._database)
        self._uses.flush(self._database)

    def sample(self) -> None:
        """Count the live sessions, if no other node has done so for the present stretch of time."""
        if time.monotonic() < self._sample_after:
            return
        at = activity.claim_sample(self._database, ACTIVE_SESSIONS)
        if at is None:
            return
        began = time.monotonic()
        activity.write_sample(self._database, ACTIVE_SESSIONS, at, listing.count_live(self._database))
        ended = time.monotonic()
        self._sample_after = ended + (ended - began) / _SAMPLE_SHARE

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
        batches = chain[object](
            retention.prune_sessions(self._database, keep=self._settings.ended_sessions, batch=batch),
            retention.prune_audit(self._database, keep=self._settings.audit, batch=batch),
            visits.prune(self._database, batch=batch),
            prune_idempotency_keys(self._database, batch=batch),
        )
        for _ in batches:
            if self._stopped.is_set():
                return
        retention.prune_removed(self._database, batch=batch)
        activity.prune(self._database, keep=self._settings.activity)
