"""Recoveries: for a bounded time, tokens that are newer than their sessions are adopted (docs/decisions/recovery.md).

Each refresh whose token is newer than its row reads the table, so every node knows at once. No other refresh does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, distinct, func, insert, select, update

from authserver.database.engine import Database
from authserver.database.identifiers import new_id
from authserver.database.sql import in_batch, now_ms
from authserver.database.tables import one_row
from authserver.records.audit import AuditRecord, Event
from authserver.sessions import store
from authserver.sessions.model import End, RecoveryRecord, SessionRecord

_R, _S = RecoveryRecord, SessionRecord


@dataclass(frozen=True, slots=True)
class Adoptions:
    """How many tokens were adopted, and in how many sessions. A session with two had two newer tokens."""

    tokens: int
    sessions: int


def declare(connection: Connection, seconds: int) -> RecoveryRecord | None:
    """Begin a recovery, or change when the one that is on ends: that one still began when it began. Returns it."""
    last = latest(connection)
    began = last.started_at if last is not None and last.until > last.now else now_ms()
    end(connection)
    new = insert(_R).values(id=new_id(), started_at=began, until=now_ms() + seconds * 1000)
    return one_row(connection, _R, new.returning(*_R.__table__.columns))


def end(connection: Connection) -> bool:
    """End the recovery. Returns whether one was on."""
    return connection.execute(update(_R).where(_R.until > now_ms()).values(until=now_ms())).rowcount > 0


def latest(connection: Connection) -> RecoveryRecord | None:
    """The recovery that was declared last, on or over, with the database's time as `now`; None if there was none."""
    newest = select(*_R.__table__.columns, now_ms().label("now")).order_by(_R.started_at.desc(), _R.id.desc()).limit(1)
    return one_row(connection, _R, newest)


def adoptions(connection: Connection, since: int) -> Adoptions:
    """What was adopted since this time, by the audit record."""
    of_adoptions = (AuditRecord.at >= since) & (AuditRecord.event == Event.SESSION_ADOPTED.value)
    counted = select(func.count(), func.count(distinct(AuditRecord.session_id))).where(of_adoptions)
    tokens, sessions = connection.execute(counted).one()
    return Adoptions(tokens, sessions)


def end_unseen(database: Database, since: int, *, batch: int, on_progress: Callable[[int], None]) -> int:
    """End the sessions that were neither opened nor refreshed since this time, in batches. Returns how many.

    Also those that expired for want of use, because that does not count for a newer token.
    """
    unseen = _S.revoked_at.is_(None) & (_S.absolute_expires_at > now_ms()) & (_S.last_used_at < since)
    total, last = 0, UUID(int=0)
    while True:
        some = select(_S.id).where(unseen, _S.id > last).order_by(_S.id).limit(batch).with_for_update()
        with database.autocommit() as connection:
            ending = store.end_where(in_batch(_S.id, some), End.UNSEEN).returning(_S.id)
            ids = connection.execute(ending).scalars().all()
        if not ids:
            return total
        last = max(ids)
        total += len(ids)
        on_progress(total)
