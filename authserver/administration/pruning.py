"""The use case of pruning: sweep, then delete rows that are no longer needed, in small batches.

It can run beside the clean-up of any node, which deletes the same rows (`walk`). After a stop half way the next run goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from authserver.administration import store
from authserver.administration.context import Administration
from authserver.administration.sweeping import sweep_now
from authserver.database.batches import Batches
from authserver.pages import visits
from authserver.records import activity
from authserver.sessions import retention
from authserver.settings.values import RetentionSettings
from authserver.throttling import counters


@dataclass(frozen=True, slots=True)
class Pruned:
    """How far pruning has come: `swept` sessions ended by marks, `seen` session rows, and the numbers of deleted rows.

    `erased` counts removed clients and users. `others` counts all else: visits, links, codes, places, clients' own tokens
    that were ended, idempotency keys, counts of failed attempts and of activity.
    """

    swept: int = 0
    seen: int = 0
    sessions: int = 0
    events: int = 0
    erased: int = 0
    others: int = 0


def prune(admin: Administration) -> Iterator[Pruned]:
    """Yield after each batch; the last value is the sum. Stop iterating to stop: each batch is committed by itself."""
    settings = admin.settings.retention
    swept = sweep_now(admin)
    yield Pruned(swept=swept)
    for state in walk(Batches(admin.database, settings.prune_batch), settings):
        yield replace(state, swept=swept)


def walk(batches: Batches, settings: RetentionSettings) -> Iterator[Pruned]:
    """Prune every table of which rows grow old. Yields after each batch, and where there is nothing to delete for long."""
    state = Pruned()
    for progress in retention.prune_sessions(batches, keep=settings.ended_sessions):
        state = replace(state, seen=progress.seen, sessions=progress.deleted)
        yield state
    for progress in retention.prune_audit(batches, keep=settings.audit):
        state = replace(state, events=progress.deleted)
        yield state
    while erased := retention.prune_removed(batches):
        state = replace(state, erased=state.erased + erased)
        yield state
    for deleted in _prune_others(batches, settings):
        state = replace(state, others=state.others + deleted)
        yield state


def _prune_others(batches: Batches, settings: RetentionSettings) -> Iterator[int]:
    yield from visits.prune(batches)
    yield from retention.prune_own_tokens(batches)
    while gone := store.forget_expired(batches):
        yield gone
    yield from counters.prune(batches)
    yield from activity.prune(batches, keep=settings.activity)
