"""The statements of visits. The caller commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Connection, Uuid, bindparam, delete, insert, select, update

from authserver.database.sql import now_ms
from authserver.database.tables import all_rows, one_row
from authserver.pages.model import VisitRecord
from authserver.records.audit import Caller
from authserver.users.model import UserRecord

_V = VisitRecord
_U = UserRecord
_visit_id = bindparam("visit_id", type_=Uuid())
_idle_ms = bindparam("idle_ms", type_=BigInteger())

# A changed password, a disabled or removed user, and time end a visit by these conditions. So no other code can forget
# to end visits.
_FIND = (
    select(*_V.__table__.columns, _U.username, _U.email, _U.roles, now_ms().label("now"))
    .join(_U, _U.id == _V.user_id)
    .where(
        _V.id == _visit_id,
        _V.expires_at > now_ms(),
        _V.last_used_at + _idle_ms > now_ms(),
        _U.enabled,
        _U.removed_at.is_(None),
        _U.password_version == _V.password_version,
    )
)


def find(connection: Connection, visit_id: UUID, idle_ms: int) -> tuple[VisitRecord, UserRecord] | None:
    """Read the visit, if it counts, with its user's names and roles and the database's time as `now`. One statement."""
    row = one_row(connection, VisitRecord, _FIND, {"visit_id": visit_id, "idle_ms": idle_ms})
    return None if row is None else (row, cast("UserRecord", row))  # one row, with columns of both


def add(connection: Connection, values: Mapping[str, Any], lifetime_ms: int) -> None:
    """Insert a visit that begins now."""
    connection.execute(
        insert(_V).values(
            opened_at=now_ms(),
            last_used_at=now_ms(),
            expires_at=now_ms() + lifetime_ms,
            **values,
        )
    )


def touch(connection: Connection, visit_id: UUID, caller: Caller) -> None:
    """Write when and from where the visit was used."""
    connection.execute(
        update(_V)
        .where(_V.id == visit_id)
        .values(last_used_at=now_ms(), address=caller.address, user_agent=caller.user_agent)
    )


def confirm(connection: Connection, visit_id: UUID, at: int) -> None:
    """Write when the password was last typed."""
    connection.execute(update(_V).where(_V.id == visit_id).values(confirmed_at=at))


def renew(connection: Connection, visit_id: UUID, digest: bytes, password_version: int) -> None:
    """Give a visit a new secret and the new password version: its own browser changed the password."""
    connection.execute(
        update(_V)
        .where(_V.id == visit_id)
        .values(digest=digest, password_version=password_version, confirmed_at=now_ms())
    )


def remove(connection: Connection, visit_id: UUID, user_id: UUID) -> bool:
    """Delete a visit of this user. Returns whether this call deleted it."""
    return connection.execute(delete(_V).where(_V.id == visit_id, _V.user_id == user_id)).rowcount == 1


def remove_of_user(connection: Connection, user_id: UUID, *, but: UUID | None = None) -> int:
    """Delete the visits of a user, except the visit `but`. Returns how many."""
    statement = delete(_V).where(_V.user_id == user_id)
    if but is not None:
        statement = statement.where(_V.id != but)
    return connection.execute(statement).rowcount


def of_user(connection: Connection, user_id: UUID, idle_ms: int) -> Sequence[VisitRecord]:
    """Read the live visits of a user, the last used first, without their digests."""
    columns = [column for column in _V.__table__.columns if column.name != "digest"]
    live = (_V.expires_at > now_ms(), _V.last_used_at + idle_ms > now_ms())
    version = select(_U.password_version).where(_U.id == user_id).scalar_subquery()
    statement = select(*columns).where(_V.user_id == user_id, _V.password_version == version, *live)
    return all_rows(connection, _V, statement.order_by(_V.last_used_at.desc()))


def expired() -> ColumnElement[bool]:
    """Visits that are over."""
    return _V.expires_at <= now_ms()
