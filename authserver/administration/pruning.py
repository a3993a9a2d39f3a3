"""The use case of pruning: sweep, then delete rows that are no longer needed, in small batches.

It can run beside the clean-up of any node. After a stop half way the next run goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from authserver.administration import store
from authserver.administration.context import Administration
from authserver.administration.sweeping import sweep_now
from authserver.database.batches import Batches
from authserver.pages import visits
from authserver.sessions import retention
from authserver.throttling import counters


@dataclass(frozen=True, slots=True)
class Pruned:
    """How far pruning has come: `swept` sessions ended by marks, `seen` session rows, and the numbers of deleted rows.

    `erased` counts removed clients and users, visits, links and places.
    """

    swept: int = 0
    seen: int = 0
    sessions: int = 0
    events: int = 0
    erased: int = 0


def prune(admin: Administration) -> Iterator[Pruned]:
    """Yield after each batch; the last value is the sum. Stop iterating to stop: each batch is committed by itself."""
    settings = admin.settings.retention
    batches = Batches(admin.database, settings.prune_batch)
    state = Pruned(swept=sweep_now(admin))
    yield state
    for progress in retention.prune_sessions(batches, keep=settings.ended_sessions):
        state = replace(state, seen=progress.seen, sessions=progress.deleted)
        yield state
    for progress in retention.prune_audit(batches, keep=settings.audit):
        state = replace(state, events=progress.deleted)
        yield state
    for expired in visits.prune(batches):
        state = replace(state, erased=state.erased + expired)
        yield state
    while erased := retention.prune_removed(batches):
        state = replace(state, erased=state.erased + erased)
        yield state
    for _ in prune_idempotency_keys(batches):
        yield state
    for _ in counters.prune(admin.database, batch=settings.prune_batch):
        yield state


def prune_idempotency_keys(batches: Batches) -> Iterator[int]:
    """Delete expired idempotency keys. Yields the number of each batch."""
    while gone := store.forget_expired(batches):
        yield gone
