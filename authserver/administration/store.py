"""The statements of idempotency keys. The caller commits."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from authserver.administration.model import IdempotencyRecord
from authserver.database.batches import Batches
from authserver.database.sql import now_ms
from authserver.database.tables import one_row

_R = IdempotencyRecord

#: How long a repetition gets the first answer. After that the key is free for another request.
KEPT_MS = 86_400_000
_EXPIRED = _R.created_at <= now_ms() - KEPT_MS


def find(connection: Connection, digest: bytes) -> IdempotencyRecord | None:
    """What is kept under a key, unless it has expired."""
    statement = select(_R.request_digest, _R.sealed_answer).where(_R.digest == digest, ~_EXPIRED)
    return one_row(connection, _R, statement)


def claim(connection: Connection, digest: bytes, request_digest: bytes) -> bool:
    """Take a key. Returns False if another request has it.

    Of several requests at once one inserts. On PostgreSQL the others wait here until its transaction ends. Then they
    find its answer, or take the key if it was rolled back. On SQLite they have waited for the write lock before.
    """
    connection.execute(delete(_R).where(_R.digest == digest, _EXPIRED))
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(_R).values(digest=digest, request_digest=request_digest, created_at=now_ms())
    taken = connection.execute(statement.on_conflict_do_nothing().returning(_R.digest))
    return taken.one_or_none() is not None


def keep(connection: Connection, digest: bytes, sealed_answer: bytes) -> None:
    """Keep the answer of an act, in the transaction of the act."""
    connection.execute(update(_R).where(_R.digest == digest).values(sealed_answer=sealed_answer))


def forget_expired(batches: Batches) -> int:
    """Delete a batch of expired keys. Returns how many."""
    return batches.delete(_R.digest, _EXPIRED)
