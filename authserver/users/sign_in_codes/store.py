"""The statements of sign-in codes. A sign-in reads its code together with its user (`users/store`). The caller commits."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, literal, select

from authserver.database.sql import now_ms
from authserver.users.model import SignInCodeRecord, UserRecord
from authserver.users.sign_in_codes import LIFETIME

_C = SignInCodeRecord
_U = UserRecord

#: Whether a code can be used by its user. Any change of the password ends it.
USABLE: ColumnElement[bool] = and_(
    _C.user_id == _U.id, _C.password_version == _U.password_version, _C.expires_at > now_ms()
)


def replace(connection: Connection, user_id: UUID, digest: bytes) -> int:
    """Make the user's code, for the present password. The one before it ends. Returns when it expires."""
    connection.execute(delete(_C).where(_C.user_id == user_id))
    values = select(_U.id, literal(digest), _U.password_version, now_ms() + LIFETIME * 1000).where(_U.id == user_id)
    columns = ["user_id", "digest", "password_version", "expires_at"]
    connection.execute(insert(_C).from_select(columns, values))
    return connection.execute(select(_C.expires_at).where(_C.user_id == user_id)).scalar_one()


def take(connection: Connection, user_id: UUID, digest: bytes) -> bool:
    """Use a code up. One statement: of any number of parallel callers one at most gets True.

    The others wait until its transaction ends. If that is rolled back, the next one gets the code.
    """
    usable = (_C.user_id == user_id, _C.digest == digest, _C.expires_at > now_ms())
    return connection.execute(delete(_C).where(*usable)).rowcount == 1


def expired() -> ColumnElement[bool]:
    """Codes that cannot be used any more, because they are too old."""
    return _C.expires_at <= now_ms()
