"""The statements of password links. The caller commits."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, literal, select

from authserver.database.sql import now_ms
from authserver.database.tables import one_row
from authserver.users.model import PasswordLinkRecord, UserRecord

_L = PasswordLinkRecord
_U = UserRecord
_OF_ENABLED_USER = (
    _U.id == _L.user_id,
    _U.password_version == _L.password_version,
    _U.enabled,
    _U.removed_at.is_(None),
)


def replace(connection: Connection, user_id: UUID, digest: bytes, *, lifetime_ms: int) -> int:
    """Make a link for the user's present password version and end the user's earlier links. Returns when it expires."""
    end(connection, user_id)
    values = select(literal(digest), _U.id, _U.password_version, now_ms(), now_ms() + lifetime_ms).where(
        _U.id == user_id
    )
    columns = ["digest", "user_id", "password_version", "created_at", "expires_at"]
    connection.execute(insert(_L).from_select(columns, values))
    return connection.execute(select(_L.expires_at).where(_L.digest == digest)).scalar_one()


def find(connection: Connection, digest: bytes) -> UserRecord | None:
    """The id, name and address of a usable link's user. One statement. Changes nothing."""
    statement = select(_U.id, _U.username, _U.email).join(_L, _L.user_id == _U.id)
    usable = (_L.digest == digest, _L.expires_at > now_ms(), *_OF_ENABLED_USER)
    return one_row(connection, UserRecord, statement.where(*usable))


def take(connection: Connection, digest: bytes) -> PasswordLinkRecord | None:
    """Use a link up and return its user's id and password version. One statement.

    Of any number of parallel callers exactly one gets the link.
    """
    usable = exists(select(_U.id).where(*_OF_ENABLED_USER))
    statement = delete(_L).where(_L.digest == digest, _L.expires_at > now_ms(), usable)
    return one_row(connection, PasswordLinkRecord, statement.returning(_L.user_id, _L.password_version))


def end(connection: Connection, user_id: UUID) -> None:
    """End the user's links."""
    connection.execute(delete(_L).where(_L.user_id == user_id))


def expired() -> ColumnElement[bool]:
    """Links that cannot be used any more, because they are too old."""
    return _L.expires_at <= now_ms()
