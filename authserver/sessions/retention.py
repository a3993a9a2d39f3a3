"""Retention: prunes rows that are no longer needed, in small batches.

Pruning walks the sessions by primary key and reads each row once. An index on expiry would grow with every refresh.
`FOR UPDATE SKIP LOCKED` lets a command prune beside a node, and a refresh never waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, or_, select

from authserver.clients import store as clients
from authserver.clients.model import ClientRecord
from authserver.database.engine import Database
from authserver.database.sql import in_batch, now_ms
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


def prune_sessions(database: Database, *, keep: int, batch: int) -> Iterator[Progress]:
    """Delete sessions that ended more than `keep` seconds ago, once their last access token has expired, with leeway.

    Yields after each batch, and once at the end.
    """
    over = now_ms() - keep * 1000
    ended = or_(_S.revoked_at <= over, _S.idle_expires_at <= over, _S.absolute_expires_at <= over)
    unneeded = ended & (_S.access_expires_at + LEEWAY_MS <= now_ms())
    seen = deleted = 0
    last = UUID(int=0)
    while True:
        with database.autocommit() as connection:
            page = select(_S.id).where(_S.id > last).order_by(_S.id).limit(batch)
            ids = list(connection.execute(page).scalars())
        if not ids:
            yield Progress(seen, deleted)
            return
        within = _S.id.between(ids[0], ids[-1])
        some = select(_S.id).where(within, unneeded).with_for_update(skip_locked=True)
        with database.transaction() as connection:
            deleted += connection.execute(delete(_S).where(in_batch(_S.id, some))).rowcount
        seen += len(ids)
        last = ids[-1]
        yield Progress(seen, deleted)


def prune_audit(database: Database, *, keep: int, batch: int) -> Iterator[Progress]:
    """Delete audit events older than `keep` seconds. Yields after each batch."""
    deleted = 0
    old = select(AuditRecord.id).where(AuditRecord.at <= now_ms() - keep * 1000)
    some = old.order_by(AuditRecord.at).limit(batch).with_for_update(skip_locked=True)
    while True:
        with database.transaction() as connection:
            count = connection.execute(delete(AuditRecord).where(in_batch(AuditRecord.id, some))).rowcount
        deleted += count
        yield Progress(deleted, deleted)
        if count == 0:
            return


def prune_removed(database: Database, *, batch: int) -> int:
    """Delete at most `batch` removed users and `batch` removed clients that have no sessions any more.

    Returns how many. Also deletes the clients' own tokens that status lists no longer show; these are not counted.
    """
    of_user = select(_S.id).where(_S.user_id == UserRecord.id).exists()
    of_client = select(_S.id).where(_S.client_id == ClientRecord.client_id).exists()
    with database.transaction() as connection:
        if not database.is_sqlite:
            # Where one client has nearly all sessions, PostgreSQL would look for another's by reading all of them.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        clients.prune_ended_tokens(connection)
        count = users.prune_removed(connection, needed=of_user, limit=batch)
        return count + clients.prune_removed(connection, needed=of_client, limit=batch)
