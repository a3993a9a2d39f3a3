"""Ends sessions before they expire. Each function runs in the caller's transaction and writes the audit event there."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, select, update

from authserver.records import audit
from authserver.records.audit import Caller, Event
from authserver.sessions import store
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
    """End one session. Returns whether this call ended it: a session that had ended before stays as it is.

    `client_id` and `user_id` restrict the call to a session of that client or user. `presented` (a digest) restricts
    it to a session that has this digest as current or previous: the tag of a token under a leaked key proves nothing.
    """
    condition = (_S.id == session_id) & _S.revoked_at.is_(None) & store.belongs_to(user_id, client_id)
    if presented is not None:
        condition &= (_S.current_digest == presented) | (_S.previous_digest == presented)
    ended = store.end_where(condition, why).returning(_S.user_id, _S.client_id)
    row = connection.execute(ended).one_or_none()
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
    """End the sessions of a user, except the session `all_but`. Returns how many it ended. Writes one event for all.

    Call it after the change to the user's row, in the same transaction. Sign-ins that held the row have inserted
    their sessions by then, and later sign-ins see the change.
    """
    condition = (_S.user_id == user_id) & _S.revoked_at.is_(None)
    if all_but is not None:
        condition &= _S.id != all_but
    # Lock the rows in the order of their ids, as a sweep does: two transactions with different orders deadlock.
    locked = select(_S.id).where(condition).order_by(_S.id).with_for_update()
    count = connection.execute(store.end_where(_S.id.in_(locked), why)).rowcount
    if count:
        detail = {"because": why.value, "sessions": count}
        entry = audit.Entry(Event.SESSION_REVOKED, actor, user_id=user_id, caller=caller, detail=detail)
        audit.record(connection, entry)
    return count


def rewrite_roles(connection: Connection, user_id: UUID, roles: frozenset[str], lost_scopes: frozenset[str]) -> int:
    """Give a user's sessions the new roles and take the lost scopes away. Returns the number of sessions.

    A new role gives a session no more scopes: that takes a new sign-in.
    """
    live = (_S.user_id == user_id) & _S.revoked_at.is_(None)
    rows = connection.execute(select(_S.id, _S.scopes).where(live).order_by(_S.id).with_for_update()).all()
    for row in rows:
        connection.execute(update(_S).where(_S.id == row.id).values(roles=roles, scopes=row.scopes - lost_scopes))
    return len(rows)
