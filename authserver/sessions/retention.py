"""Retention: prunes rows that are no longer needed, in small batches.

Pruning walks the sessions by primary key and reads each row once. An index on expiry would grow with every refresh.
`FOR UPDATE SKIP LOCKED` lets a command prune beside a node, and a refresh never waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select

from authserver.clients import store as clients
from authserver.clients.model import ClientRecord, EndedOwnTokens
from authserver.database.batches import Batches
from authserver.database.sql import now_ms
from authserver.records.audit import AuditRecord
from authserver.sessions.model import SessionRecord
from authserver.settings.values import LEEWAY
from authserver.users import store as users
from authserver.users.model import UserRecord

_S = SessionRecord

#: In milliseconds, with a second for a token that was made in the last one of its session.
LEEWAY_MS = (LEEWAY + 1) * 1000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pruning has come: rows read, rows deleted."""

    seen: int
    deleted: int


def prune_sessions(batches: Batches, *, keep: int) -> Iterator[Progress]:
    """Delete sessions that ended more than `keep` seconds ago, once their last access token has expired, with leeway.

    Yields after each batch, after each page without any, and once at the end. Pages are read without a lock: most have
    nothing to delete, and the time of an empty batch would say nothing about that of a full one.
    """
    over = now_ms() - keep * 1000
    ended = or_(_S.revoked_at <= over, _S.idle_expires_at <= over, _S.absolute_expires_at <= over)
    unneeded = ended & (_S.access_expires_at + LEEWAY_MS <= now_ms())
    seen = deleted = 0
    last = UUID(int=0)
    while True:
        page = select(_S.id, unneeded).where(_S.id > last).order_by(_S.id).limit(batches.most)
        with batches.database.autocommit() as connection:
            rows = connection.execute(page).all()
        if not rows:
            yield Progress(seen, deleted)
            return
        seen += len(rows)
        last = rows[-1][0]
        old = [session_id for session_id, is_unneeded in rows if is_unneeded]
        while old:
            some, old = old[: batches.size], old[batches.size :]
            deleted += batches.delete_within(_S.id, _S.id.between(some[0], some[-1]), unneeded)
            if old:
                yield Progress(seen, deleted)
        yield Progress(seen, deleted)


def prune_audit(batches: Batches, *, keep: int) -> Iterator[Progress]:
    """Delete audit events older than `keep` seconds. Yields after each batch."""
    deleted, more = 0, True
    while more:
        more = bool(count := batches.delete(AuditRecord.id, AuditRecord.at <= now_ms() - keep * 1000))
        deleted += count
        yield Progress(deleted, deleted)


def prune_removed(batches: Batches) -> int:
    """Delete a batch of removed users and one of removed clients that have no sessions any more. Returns how many."""
    of_user = select(_S.id).where(_S.user_id == UserRecord.id).exists()
    of_client = select(_S.id).where(_S.client_id == ClientRecord.client_id).exists()
    count = batches.delete(UserRecord.id, users.removed() & ~of_user)
    return count + batches.delete(ClientRecord.client_id, clients.removed() & ~of_client)


def prune_own_tokens(batches: Batches) -> Iterator[int]:
    """Delete what is kept of clients' own tokens that status lists no longer show. Yields how many after each batch."""
    while deleted := batches.delete(EndedOwnTokens.status_index, clients.unlisted()):
        yield deleted
