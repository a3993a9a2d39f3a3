"""Ending sessions before their time. Each function runs in the caller's transaction and writes the audit event there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, select, update

from authserver.database.sql import now_ms
from authserver.records import audit
from authserver.records.audit import Caller, Event
from authserver.sessions.model import End, SessionRecord

_S = SessionRecord


def end_session(
    connection: Connection,
    session_id: UUID,
    why: End,
    *,
    actor: str,
    client_id: str | None = None,
    user_id: UUID | None = None,
    presented: bytes | None = None,
    caller: Caller = Caller(),
) -> bool:
    """End one session. Returns whether this call ended it: one that had ended before is left as it is.

    With `client_id` only a session of that client, with `user_id` only one of that user; with `presented` (a digest)
    only one that holds it as current or previous: for tokens under a leaked key, whose tag proves nothing.
    """
    condition = (_S.id == session_id) & _S.revoked_at.is_(None)
    if client_id is not None:
        condition &= _S.client_id == client_id
    if user_id is not None:
        condition &= _S.user_id == user_id
    if presented is not None:
        condition &= (_S.current_digest == presented) | (_S.previous_digest == presented)
    row = connection.execute(_end(condition, why).returning(_S.user_id, _S.client_id)).one_or_none()
    if row is None:
        return False
    entry = audit.Entry(
        Event.SESSION_REVOKED,
        actor,
        client_id=row.client_id,
        user_id=row.user_id,
        session_id=session_id,
        caller=caller,
        detail={"because": why.value},
    )
    audit.record(connection, entry)
    return True


def end_sessions_of_user(
    connection: Connection,
    user_id: UUID,
    why: End,
    *,
    actor: str,
    caller: Caller = Caller(),
    all_but: UUID | None = None,
) -> int:
    """End all sessions of a user, or all but one. Returns how many. One event for all of them.

    Call it after the change to the user's row, in the same transaction: sign-ins that held the row have inserted
    their sessions by then, and later ones see the change.
    """
    condition = (_S.user_id == user_id) & _S.revoked_at.is_(None)
    if all_but is not None:
        condition &= _S.id != all_but
    # Locked by id, as a sweep does it: two that lock many rows in orders of their own wait for each other.
    those = select(_S.id).where(condition).order_by(_S.id).with_for_update()
    count = connection.execute(_end(_S.id.in_(those), why)).rowcount
    if count:
        detail = {"because": why.value, "sessions": count}
        entry = audit.Entry(Event.SESSION_REVOKED, actor, user_id=user_id, caller=caller, detail=detail)
        audit.record(connection, entry)
    return count


def rewrite_roles(connection: Connection, user_id: UUID, roles: frozenset[str], lost_scopes: frozenset[str]) -> int:
    """Give a user's sessions the user's new roles, without the scopes that these no longer open. Returns how many.

    A role that is gained widens no session: that takes a new sign-in.
    """
    live = (_S.user_id == user_id) & _S.revoked_at.is_(None)
    rows = connection.execute(select(_S.id, _S.scopes).where(live).order_by(_S.id).with_for_update()).all()
    for row in rows:
        connection.execute(update(_S).where(_S.id == row.id).values(roles=roles, scopes=row.scopes - lost_scopes))
    return len(rows)


def _end(condition: ColumnElement[bool], why: End) -> Any:
    return update(_S).where(condition).values(revoked_at=now_ms(), revoked_because=why.value)
