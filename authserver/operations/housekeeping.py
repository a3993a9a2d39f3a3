"""What the server does by itself: key rotation, sweeps, pruning, back-fills. Every node may do all of it at any time.

One thread of each worker runs the tasks. Keys are claimed by conditional statements. Sweeping, pruning and back-fills walk
tables, so one worker of all nodes holds a lease for each (`database/leases.py`). No node is elected, and any may die.
Pruning and back-fills go one batch at a time, and a task that becomes due meanwhile runs in between.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from authserver.administration import back_fills, pruning
from authserver.clients.secret_use import SecretUses
from authserver.database.batches import Batches
from authserver.database.engine import Database
from authserver.database.failures import Unavailable
from authserver.database.leases import Lease
from authserver.database.status_indices import StatusIndices
from authserver.keys.rotation import KeyRotation
from authserver.operations.regularly import Regularly
from authserver.operations.shared_work import LEASE_SECONDS, SharedWork
from authserver.records import activity, metrics
from authserver.records.activity import ACTIVE_SESSIONS, Activity
from authserver.sessions import listing
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
#: How often a worker looks whether pruning, or a back-fill, is due and free.
_LOOK_SECONDS = 60.0
#: After a back-fill that found nothing more, seconds until it looks again: old nodes may have added rows.
_FILL_SECONDS = 600.0
#: After a sweep, seconds until another worker looks for marks: less than its own next look.
_SWEPT_SECONDS = 4.0
_jitter = random.SystemRandom()


@dataclass(slots=True)
class _Task:
    name: str
    every: float  # seconds
    run: Callable[[], bool | None]  # True if there is more to do at once
    due: float


class Housekeeping:
    """Runs the tasks, and what goes on `beside` them, until it is stopped. Start it in the worker, after the fork."""

    def __init__(
        self,
        database: Database,
        rotation: KeyRotation,
        settings: RetentionSettings,
        *,
        counted: Activity,
        uses: SecretUses,
        indices: StatusIndices,
        beside: Sequence[Regularly] = (),
    ) -> None:
        self._beside = beside
        self._database = database
        self._settings = settings
        self._activity = counted
        self._uses = uses
        self._sample_after = 0.0
        self._sweeping = Lease(database, "sweep", longest=LEASE_SECONDS)
        claimed = Lease(database, "prune", longest=max(LEASE_SECONDS, settings.prune_interval))
        self.pruning = SharedWork(claimed, self._prunings, pause=settings.prune_interval)
        filling = partial(back_fills.fill, database, batch=settings.prune_batch)
        self.filling = SharedWork(Lease(database, "back-fills", longest=_FILL_SECONDS), filling, pause=_FILL_SECONDS)
        self._stopped = threading.Event()
        now, look = time.monotonic(), min(_LOOK_SECONDS, settings.prune_interval)
        self._tasks = [
            _Task("keys", _KEYS_SECONDS, rotation.maintain, now + _jitter.uniform(0, _KEYS_SECONDS)),
            _Task("sweep", _SWEEP_SECONDS, self._sweep, now),
            _Task("indices", _INDICES_SECONDS, indices.check, now + _INDICES_SECONDS),
            _Task("flush", _FLUSH_SECONDS, self.flush, now + _FLUSH_SECONDS),
            _Task("sample", _SAMPLE_SECONDS, self.sample, now),
            _Task("prune", look, self.pruning.step, now + _jitter.uniform(0, look)),
            _Task("back-fills", _LOOK_SECONDS, self.filling.step, now),
        ]
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        for each in self._beside:
            each.start()
        self._thread.start()

    def stop(self) -> None:
        """End after the batch that is under way, and write what was counted until now."""
        self._stopped.set()
        for each in self._beside:
            each.stop()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        try:
            self.flush()
            self.pruning.stop()
            self.filling.stop()
            self._sweeping.finish()
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
            more = None
            try:
                more = task.run()
            except Unavailable as error:
                _log.warning("housekeeping_put_off", task=task.name, error=type(error).__name__)
            except Exception:  # noqa: BLE001 - one task that fails must not end the others
                _log.exception("housekeeping_failed", task=task.name)
            task.due = time.monotonic() + (0 if more else task.every * _jitter.uniform(0.9, 1.1))

    def _sweep(self) -> None:
        def hold(_changed: int = 0) -> None:
            self._sweeping.extend(LEASE_SECONDS)

        claim = partial(self._sweeping.claim, LEASE_SECONDS)
        try:
            sweep(self._database, batch=self._settings.prune_batch, claim=claim, on_progress=hold)
        finally:
            self._sweeping.finish(_SWEPT_SECONDS)

    def _prunings(self) -> Iterator[object]:
        batches = Batches(self._database, self._settings.prune_batch, metrics.note_batch)
        return pruning.walk(batches, self._settings)
