"""The statements of a refresh. Each repeats in its WHERE every condition of its decision. The caller commits.

They are built once: so SQLAlchemy finds them in its cache by identity, and PostgreSQL prepares them by text.
"""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    String,
    Update,
    Uuid,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)

from authserver.database.engine import Database
from authserver.database.sql import greatest, least, now_ms
from authserver.database.tables import one_row
from authserver.sessions.model import End, RecoveryRecord, SessionRecord

_S = SessionRecord
_NOW = now_ms()

_session_id = bindparam("session_id", type_=Uuid())
_client_id = bindparam("for_client", type_=String())
_client_epoch = bindparam("for_epoch", type_=Integer())
_presented = bindparam("presented", type_=LargeBinary())
_seen_generation = bindparam("seen_generation", type_=_S.generation.type)
_window = bindparam("window_ms", type_=_S.rotated_at.type)
_access = bindparam("access_ms", type_=_S.rotated_at.type)
_idle = bindparam("idle_ms", type_=_S.rotated_at.type)
_newer_generation = bindparam("newer_generation", type_=_S.generation.type)
_new_digest = bindparam("new_digest", type_=LargeBinary())
_new_salt = bindparam("new_salt", type_=LargeBinary())
_new_key = bindparam("new_key", type_=Integer())
_address = bindparam("address", type_=String())
_user_agent = bindparam("agent", type_=String())
_late_allowed = bindparam("late_allowed", type_=Integer())
_most = bindparam("most", type_=Integer())
_latest = bindparam("latest", type_=_S.rotated_at.type)

LIVE: ColumnElement[bool] = and_(_S.revoked_at.is_(None), _S.idle_expires_at > _NOW, _S.absolute_expires_at > _NOW)
_THIS_SESSION: ColumnElement[bool] = and_(
    _S.id == _session_id, _S.client_id == _client_id, _S.client_epoch == _client_epoch
)
_THIS_PREDECESSOR = and_(_THIS_SESSION, _S.previous_digest == _presented, _S.generation == _seen_generation)

_new_idle_expiry = least(_NOW + _idle, _S.absolute_expires_at)
_EXTENDED: dict[Any, Any] = {
    "idle_expires_at": _new_idle_expiry,
    "access_expires_at": greatest(_S.access_expires_at, least(_NOW + _access, _new_idle_expiry)),
    "last_used_at": _NOW,
}
_LAST_CALLER: dict[Any, Any] = {"last_address": _address, "last_user_agent": _user_agent}

# Tokens are made from these columns. Each column costs a few microseconds a refresh, so a rotation reads no more.
_SESSION = (
    _S.id,
    _S.user_id,
    _S.subject,
    _S.scopes,
    _S.audiences,
    _S.roles,
    _S.auth_time,
    _S.status_index,
    _S.generation,
    _S.access_expires_at,
    _S.idle_expires_at,
    _S.absolute_expires_at,
    _NOW.label("now"),
)

#: A row with more may make too long a token, which has to be found out before the row moves.
_NOT_TOO_MUCH = func.length(_S.scopes) + func.length(_S.audiences) + func.length(_S.roles) <= _most
#: The caller still waits. A stopped PostgreSQL runs the statement when it goes on, and the caller has been told meanwhile
#: that nothing happened: its next try would look like reuse. A write in a transaction needs no such condition: the commit
#: is another message, and is not sent to a server that has not answered the write.
_IN_TIME = _latest > _NOW
_ROTATION_IS_DUE = or_(_S.rotated_at.is_(None), _S.rotated_at + _window <= _NOW)


def _if_due(new: Any, old: Any) -> Any:
    return case((_ROTATION_IS_DUE, new), else_=old)


#: The compare-and-swap: the current token moves its session on, unless the last rotation is within the window.
#: Of any number of parallel callers with one token, the first finds its digest current, and the others do not.
ROTATE = (
    update(_S)
    .where(_THIS_SESSION, _S.current_digest == _presented, LIVE, _IN_TIME, _NOT_TOO_MUCH)
    .values(
        generation=_if_due(_S.generation + 1, _S.generation),
        previous_digest=_if_due(_S.current_digest, _S.previous_digest),
        current_digest=_if_due(_new_digest, _S.current_digest),
        current_presented=_if_due(false(), true()),
        salt=_if_due(_new_salt, _S.salt),
        token_key_id=_if_due(_new_key, _S.token_key_id),
        rotated_at=_if_due(_NOW, _S.rotated_at),
        recent_retries=_if_due(0, _S.recent_retries),
        recent_late_retries=_if_due(0, _S.recent_late_retries),
        # Retries are compared with these two. A thief who uses the token within the window must not put his own
        # address here, so only a rotation changes them.
        last_address=_if_due(_address, _S.last_address),
        last_user_agent=_if_due(_user_agent, _S.last_user_agent),
        **_EXTENDED,
    )
    .returning(*_SESSION, _S.last_address, _S.last_user_agent)
)

#: For clients with the `stable` policy: the current token stays current.
KEEP = (
    update(_S)
    .where(_THIS_SESSION, _S.current_digest == _presented, LIVE, _IN_TIME, _NOT_TOO_MUCH)
    .values(current_presented=true(), **_EXTENDED, **_LAST_CALLER)
    .returning(*_SESSION, _S.last_address, _S.last_user_agent)
)

#: The direct predecessor within the window. A retry does not move the window, nor the last address.
RETRY = (
    update(_S)
    .where(_THIS_PREDECESSOR, _S.rotated_at + _window > _NOW, LIVE)
    .values(retries=_S.retries + 1, recent_retries=_S.recent_retries + 1, **_EXTENDED)
    .returning(*_SESSION, _S.current_digest, _S.salt, _S.token_key_id, _S.recent_retries)
)

#: The direct predecessor after the window, its successor never used: make another successor, one generation later.
#: The predecessor stays the predecessor, so its repeats get this new successor again. The lost successor matches
#: nothing any more: if it is presented, there is a second holder.
RETRY_LATE = (
    update(_S)
    .where(
        _THIS_PREDECESSOR,
        _S.rotated_at + _window <= _NOW,
        _S.current_presented.is_(False),
        _S.recent_late_retries < _late_allowed,
        LIVE,
    )
    .values(
        generation=_S.generation + 1,
        current_digest=_new_digest,
        salt=_new_salt,
        token_key_id=_new_key,
        rotated_at=_NOW,
        recent_retries=0,
        late_retries=_S.late_retries + 1,
        recent_late_retries=_S.recent_late_retries + 1,
        **_EXTENDED,
        **_LAST_CALLER,
    )
    .returning(*_SESSION)
)

_RECOVERING = exists().where(RecoveryRecord.until > _NOW)

#: A token that is newer than its row, while a recovery is on: it becomes the current one. Its predecessor is not known,
#: so no token is a retry, and it was presented, so no late retry follows. Of several callers with different tokens each
#: moves the row, if at all, to a higher generation. The row's idle expiry is too early and does not count.
ADOPT = (
    update(_S)
    .where(
        _THIS_SESSION,
        _S.generation == _seen_generation,
        _S.generation < _newer_generation,
        _S.revoked_at.is_(None),
        _S.absolute_expires_at > _NOW,
        _RECOVERING,
    )
    .values(
        generation=_newer_generation,
        current_digest=_presented,
        current_presented=true(),
        previous_digest=null(),
        salt=null(),
        token_key_id=_new_key,
        rotated_at=_NOW,
        recent_retries=0,
        recent_late_retries=0,
        **_EXTENDED,
        **_LAST_CALLER,
    )
    .returning(*_SESSION)
)

_ZERO: Any = literal_column("0")
#: What each new session starts with. As text of the statement these values cost a sign-in no parameters.
NEW_SESSION: dict[str, Any] = {
    "generation": _ZERO,
    "current_presented": false(),
    "retries": _ZERO,
    "recent_retries": _ZERO,
    "late_retries": _ZERO,
    "recent_late_retries": _ZERO,
}

_READ = select(*_S.__table__.columns, _NOW.label("now"), _RECOVERING.label("recovering")).where(_S.id == _session_id)


def apply(connection: Connection, statement: Update, parameters: dict[str, Any]) -> SessionRecord | None:
    """Run one of the statements above. Returns the changed session, or None if the WHERE did not hold."""
    return one_row(connection, SessionRecord, statement, parameters)


def read(connection: Connection, session_id: UUID) -> SessionRecord | None:
    """Read a session's row, with the database's time as `now`, and whether a recovery is on as `recovering`."""
    return one_row(connection, SessionRecord, _READ, {"session_id": session_id})


def read_anew(database: Database, session_id: UUID) -> SessionRecord | None:
    """Read a session that a statement did not find as expected. One reason may be our idea of the database's clock."""
    with database.autocommit() as connection:
        asked_at = time.monotonic()
        row = read(connection, session_id)
    if row is not None:
        database.clock.learn(row.now, asked_at, surely=True)
    return row


def now(connection: Connection) -> int:
    """The database's time, in milliseconds."""
    return connection.execute(select(_NOW)).scalar_one()


def belongs_to(user_id: UUID | None, client_id: str | None) -> ColumnElement[bool]:
    """Whether a session is of this user and client; None stands for any."""
    condition: ColumnElement[bool] = true()
    if user_id is not None:
        condition &= _S.user_id == user_id
    if client_id is not None:
        condition &= _S.client_id == client_id
    return condition


def end_where(condition: ColumnElement[bool], why: End) -> Update:
    """End the sessions that match. The condition has to leave out those that have ended before."""
    return update(_S).where(condition).values(revoked_at=_NOW, revoked_because=why.value)


def end_reused(connection: Connection, session_id: UUID, client_id: str, generation: int, presented: bytes) -> bool:
    """End a session because of reuse, if it is still as it was seen. Returns whether this call ended it."""
    as_seen = (_S.id == session_id) & (_S.client_id == client_id) & (_S.generation == generation)
    reused = as_seen & (_S.current_digest != presented) & _S.revoked_at.is_(None)
    return connection.execute(end_where(reused, End.REUSE)).rowcount == 1
