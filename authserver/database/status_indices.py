"""Status indices: where a session, or a client's own tokens, stand in the status lists. Unique and never reused.

A process leases a block with one statement and hands it out shuffled, so that an index tells neither when a session
began nor how many there are. When a process ends, the rest of its block is lost, which costs nothing.

A restore or a failover may put the counter back, so that another process leases the same indices. An index must not get
a second holder even if the row of the first is lost, because access tokens of the first may still be valid. So a lease
begins beyond every index in use, and a process that finds its own lease forgotten moves the counter far ahead.
"""

from __future__ import annotations

import random
import threading

import structlog
from sqlalchemy import BigInteger, Connection, Integer, bindparam, column, func, select, table, update
from sqlalchemy.orm import Mapped, mapped_column

from authserver.database import deadlines
from authserver.database.engine import Database
from authserver.database.sql import greatest
from authserver.database.tables import Model
from authserver.refusals.exceptions import TryLater
from authserver.refusals.reasons import Reason

_log = structlog.get_logger("authserver.database")

BLOCK = 1024
#: So many indices are left out when the counter went back. Other processes may have given them out, and left no trace.
MARGIN = 2**20
#: So many are left out after a connection was lost: a failover may have lost the last leases. It is less than a margin,
#: because most losses mean nothing, and sessions that are spread over many lists cost APIs a request for each list.
AFTER_A_LOSS = 2**16
_ADVICE = "Was a backup restored, or did a failover lose writes? See docs/operating.md."
#: The tables with status indices. Their models are above this room.
_HOLDERS = ("sessions", "clients", "ended_own_tokens")


class StatusCounter(Model):
    """The first status index that is not leased yet; one row."""

    __tablename__ = "status_counter"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    next_index: Mapped[int] = mapped_column(BigInteger)


_counter = StatusCounter.next_index
_used = [
    func.coalesce(select(func.max(column("status_index"))).select_from(table(name)).scalar_subquery(), -1) + 1
    for name in _HOLDERS
]
_beyond = bindparam("beyond", type_=BigInteger)
_LEASE = (
    update(StatusCounter)
    .where(StatusCounter.id == 1)
    .values(
        next_index=greatest(_counter, _beyond, *_used)
        + bindparam("skipped", type_=BigInteger)
        + bindparam("count", type_=BigInteger)
    )
    .returning(_counter)
)
_MOVE_ON = update(StatusCounter).where(StatusCounter.id == 1, _counter < _beyond).values(next_index=_beyond + MARGIN)


def lease(connection: Connection, count: int = 1, *, beyond: int = 0, skipped: int = 0) -> int:
    """Lease indices and return the first of them. One statement; the caller commits.

    None of them is in use, or below `beyond`. `skipped` indices before them are left out.
    """
    parameters = {"count": count, "beyond": beyond, "skipped": skipped}
    return connection.execute(_LEASE, parameters).scalar_one() - count


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
        self._end = 0  # of all that this process has leased
        self._beyond = 0
        self._losses = database.losses
        self._random = random.SystemRandom()

    def take(self) -> int:
        """The next index; one statement for every 1,024th. Call it outside of transactions.

        Raises:
            TryLater: another thread has waited for long for the next block.
        """
        if not self._lock.acquire(timeout=deadlines.for_a_lock()):
            raise TryLater(Reason.DATABASE_BUSY, retry_after=1)
        try:
            if not self._leased:
                with self._database.autocommit() as connection:  # may replace a lost connection
                    losses = self._database.losses
                    skipped = AFTER_A_LOSS if losses != self._losses else 0
                    first = lease(connection, BLOCK, beyond=self._beyond, skipped=skipped)
                self._losses = losses
                self._end = self._beyond = first + BLOCK
                self._leased = list(range(first, self._end))
                self._random.shuffle(self._leased)
            return self._leased.pop()
        finally:
            self._lock.release()

    def drop(self, index: int) -> None:
        """Lease anew, far ahead: this index of ours turned out to be in use, so others may hold all of the block."""
        _log.warning("status_indices_given_twice", index=index, advice=_ADVICE)
        with self._lock:
            if self._end - BLOCK <= index < self._end:  # else another thread has dropped the block already
                self._leased = []
                self._beyond = self._end + MARGIN

    def check(self) -> None:
        """Move the counter far ahead if it went back behind what this process has leased. One statement, or none."""
        end = self._end
        if not end:
            return
        with self._database.autocommit() as connection:  # without the lock, because sign-ins would wait with us
            went_back = connection.execute(_MOVE_ON, {"beyond": end}).rowcount == 1
        if went_back:
            _log.warning("status_indices_went_back", index=end, advice=_ADVICE)
            with self._lock:
                self._leased = []
