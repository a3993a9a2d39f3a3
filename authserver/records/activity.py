"""Activity: counts over time, of all nodes together, for the console's overview and the doctor.

The metrics of a process begin at its start; this keeps a few counts for installations without Prometheus. A request
only adds to a number in memory. Housekeeping writes the numbers every few seconds, so a node that dies loses at most
the counts of those seconds.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Connection, String, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from authserver.database.batches import Batches
from authserver.database.engine import Database
from authserver.database.sql import now_ms
from authserver.database.tables import Model

#: The stretch of time that one row counts.
BUCKET_MS: Final = 300_000

#: A sample, not a count: how many sessions were live at some moment of the bucket.
ACTIVE_SESSIONS: Final = "sessions.active"
#: Names of counts. Refreshes go on with their outcome, refusals with the reason.
SIGN_IN: Final = "sign_in"
SIGN_OUT: Final = "sign_out"
REFRESH: Final = "refresh."
REFUSAL: Final = "refusal."
#: Requests with a forwarded header of a proxy that is not trusted (`operations/proxies`).
UNBELIEVED: Final = "forwarded.unbelieved"

#: The count in a sample's row while a node is counting. It stays if the node dies meanwhile.
_BEING_COUNTED: Final = -1
_ROWS_A_STATEMENT: Final = 200


class ActivityRecord(Model):
    """How often something happened in the stretch of time that begins at `at` (milliseconds since the epoch)."""

    __tablename__ = "activity"

    at: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class Activity:
    """Counts in memory until they are flushed. One per process, safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[int, str]] = Counter()

    def count(self, name: str) -> None:
        """Add one, now. The node's clock picks the bucket: a count that is written after an outage keeps its time."""
        at = time.time_ns() // 1_000_000 // BUCKET_MS * BUCKET_MS
        with self._lock:
            self._counts[at, name] += 1

    def flush(self, database: Database) -> None:
        """Add the counts to the rows. Counts that could not be written are kept for the next time.

        When the connection breaks after the statement was sent, the counts may be written twice. Charts can bear that.
        """
        with self._lock:
            counts, self._counts = self._counts, Counter()
        # In the same order on all nodes: otherwise two that update the same rows would wait for each other.
        keys = sorted(counts)
        try:
            while keys:
                some = keys[:_ROWS_A_STATEMENT]
                with database.autocommit() as connection:
                    _add(connection, [{"at": at, "name": name, "count": counts[at, name]} for at, name in some])
                del keys[: len(some)]
        finally:
            with self._lock:
                self._counts.update({key: counts[key] for key in keys})


def claim_sample(database: Database, name: str) -> int | None:
    """Claim the present bucket's sample for this node: returns the bucket, or None when it is taken. One statement."""
    statement = _insert(database.is_sqlite).values(at=now_ms() - now_ms() % BUCKET_MS, name=name, count=_BEING_COUNTED)
    with database.autocommit() as connection:
        return connection.execute(statement.on_conflict_do_nothing().returning(ActivityRecord.at)).scalar_one_or_none()


def write_sample(database: Database, name: str, at: int, count: int) -> None:
    """Write the sample that was claimed."""
    with database.autocommit() as connection:
        connection.execute(
            update(ActivityRecord).where(ActivityRecord.at == at, ActivityRecord.name == name).values(count=count)
        )


class Stretch(NamedTuple):
    """What was counted under a name in one stretch, which begins at `start` (milliseconds since the epoch)."""

    start: int
    name: str
    total: int
    highest: int


def read(connection: Connection, *, since: int, width: int) -> Sequence[Stretch]:
    """Sums and highest values by name and stretch of `width` milliseconds, from `since` on. One statement."""
    start = (ActivityRecord.at - ActivityRecord.at % width).label("start")
    written = (ActivityRecord.at >= since) & (ActivityRecord.count >= 0)
    figures = (
        select(start, ActivityRecord.name, func.sum(ActivityRecord.count), func.max(ActivityRecord.count))
        .where(written)
        .group_by(start, ActivityRecord.name)
    )
    return [Stretch(*row) for row in connection.execute(figures)]


def has(connection: Connection, name: str, *, since: int) -> bool:
    """Whether anything was counted under this name since then. One statement."""
    some = select(ActivityRecord.at).where(ActivityRecord.name == name, ActivityRecord.at >= since).limit(1)
    return connection.execute(some).first() is not None


def prune(batches: Batches, *, keep: int) -> Iterator[int]:
    """Delete counts older than `keep` seconds. Yields how many after each batch."""
    while deleted := batches.delete(ActivityRecord.at, ActivityRecord.at <= now_ms() - keep * 1000):
        yield deleted


def _add(connection: Connection, rows: list[dict[str, Any]]) -> None:
    statement = _insert(connection.dialect.name == "sqlite").values(rows)
    more = {"count": ActivityRecord.count + statement.excluded["count"]}
    connection.execute(
        statement.on_conflict_do_update(index_elements=[ActivityRecord.at, ActivityRecord.name], set_=more)
    )


def _insert(is_sqlite: bool) -> Any:  # noqa: FBT001 - the only question there is
    return (sqlite if is_sqlite else postgresql).insert(ActivityRecord)
