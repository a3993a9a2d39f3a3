"""Status indices: where a session, or a client's own tokens, stand in the status lists. Unique and never reused.

A process leases a block with one statement and hands it out shuffled, so that an index tells neither when a session
began nor how many there are. When a process ends, the rest of its block is lost, which costs nothing.
"""

from __future__ import annotations

import random
import threading

from sqlalchemy import BigInteger, Connection, Integer, select, update
from sqlalchemy.orm import Mapped, mapped_column

from authserver.database.engine import Database
from authserver.database.tables import Model

BLOCK = 1024


class StatusCounter(Model):
    """The first status index that is not leased yet; one row."""

    __tablename__ = "status_counter"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    next_index: Mapped[int] = mapped_column(BigInteger)


def lease(connection: Connection, count: int = 1) -> int:
    """Lease indices and return the first of them. One statement; the caller commits."""
    statement = (
        update(StatusCounter)
        .where(StatusCounter.id == 1)
        .values(next_index=StatusCounter.next_index + count)
        .returning(StatusCounter.next_index)
    )
    return connection.execute(statement).scalar_one() - count


def prove_writable(database: Database) -> None:
    """Write without a change: this fails where a sign-in or a refresh would fail. One statement.

    PostgreSQL locks a row: it writes the lock to the disk and to synchronous standbys, and leaves no old version of the
    row to clean up. SQLite cannot lock a row.
    """
    row = select(StatusCounter.next_index).with_for_update()
    same = update(StatusCounter).values(next_index=StatusCounter.next_index)
    with database.autocommit() as connection:
        connection.execute(same if database.is_sqlite else row)


class StatusIndices:
    """Hands out indices. Safe for threads; one per process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._leased: list[int] = []
        self._random = random.SystemRandom()

    def take(self) -> int:
        """The next index; one statement for every 1,024th. Call it outside of transactions."""
        with self._lock:
            if not self._leased:
                with self._database.autocommit() as connection:
                    first = lease(connection, BLOCK)
                self._leased = list(range(first, first + BLOCK))
                self._random.shuffle(self._leased)
            return self._leased.pop()
