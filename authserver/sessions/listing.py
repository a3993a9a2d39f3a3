"""Lists of sessions, for administrators and users."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from authserver.database.engine import Database
from authserver.database.sql import now_ms
from authserver.database.tables import all_rows, one_row
from authserver.sessions import store
from authserver.sessions.model import SessionRecord

_S = SessionRecord
#: Lists need no digests and no salts.
_UNLISTED = ("current_digest", "previous_digest", "salt", "token_key_id")
_LISTED = select(*(column for column in _S.__table__.columns if column.name not in _UNLISTED), now_ms().label("now"))


def list_sessions(
    database: Database,
    *,
    user_id: UUID | None = None,
    client_id: str | None = None,
    include_ended: bool = False,
    limit: int = 100,
    before: UUID | None = None,
) -> Sequence[SessionRecord]:
    """Return sessions, the newest first, each with the database's time as `now`.

    `before` is the last id of the previous page. Ids are UUIDv7, so new sessions do not shift the pages.
    """
    statement = _LISTED.where(store.belongs_to(user_id, client_id)).order_by(_S.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(_S.id < before)
    if not include_ended:
        statement = statement.where(store.LIVE)
    with database.autocommit() as connection:
        return all_rows(connection, _S, statement)


def count_live(database: Database, *, user_id: UUID | None = None, client_id: str | None = None) -> int:
    """Count live sessions. Reads all rows of the user or client: use it for confirmations, not for requests."""
    statement = select(func.count()).select_from(_S).where(store.belongs_to(user_id, client_id), store.LIVE)
    with database.autocommit() as connection:
        return connection.execute(statement).scalar_one()


def find_session(database: Database, session_id: UUID) -> SessionRecord | None:
    """Find a session by its id, ended or not, with the database's time as `now`."""
    with database.autocommit() as connection:
        return one_row(connection, _S, _LISTED.where(_S.id == session_id))
