"""The statements of idempotency keys. The caller commits."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from authserver.administration.model import IdempotencyRecord
from authserver.database.sql import now_ms
from authserver.database.tables import one_row

_R = IdempotencyRecord

#: How long a repetition gets the answer of the first; after that the key may be used for something else.
KEPT_MS = 86_400_000
_OVER = _R.created_at <= now_ms() - KEPT_MS


def find(connection: Connection, digest: bytes) -> IdempotencyRecord | None:
    """What was answered under a key within its time."""
    statement = select(_R.request_digest, _R.sealed_answer).where(_R.digest == digest, ~_OVER)
    return one_row(connection, _R, statement)


def claim(connection: Connection, digest: bytes, request_digest: bytes) -> bool:
    """Take a key. Returns False when somebody else has it.

    Of several that come at once one inserts; on PostgreSQL the others wait here until its transaction has ended, and
    then find its answer, or take the key if it came to nothing. On SQLite they waited for the write lock before.
    """
    connection.execute(delete(_R).where(_R.digest == digest, _OVER))
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(_R).values(digest=digest, request_digest=request_digest, created_at=now_ms())
    taken = connection.execute(statement.on_conflict_do_nothing().returning(_R.digest))
    return taken.one_or_none() is not None


def keep(connection: Connection, digest: bytes, sealed_answer: bytes) -> None:
    """Keep the answer of the act, in the transaction of the act."""
    connection.execute(update(_R).where(_R.digest == digest).values(sealed_answer=sealed_answer))


def forget_expired(connection: Connection, *, limit: int) -> int:
    """Delete keys whose time is over, some at a time. Returns how many."""
    some = select(_R.digest).where(_OVER).limit(limit)
    return connection.execute(delete(_R).where(_R.digest.in_(some))).rowcount
