"""Activity: counts over time, of all nodes together, for the console's overview and the doctor.

Prometheus keeps what one process counted since it started; this keeps a little of it for those who run no Prometheus.
A request only adds to a number in memory. Housekeeping writes the numbers every few seconds, so a node that dies takes
at most those seconds with it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Connection, String, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

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

#: What stands in a sample's row while a node is counting, and for good when it died of it.
_BEING_COUNTED: Final = -1
_ROWS_A_STATEMENT: Final = 200


class ActivityRecord(Model):
    """How often something happened in the stretch of time that begins at `at` (milliseconds since the epoch)."""

    __tablename__ = "activity"

    at: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


_A = ActivityRecord


class Activity:
    """Counts in memory until they are flushed. One per process, safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[int, str]] = Counter()

    def count(self, name: str) -> None:
        """Add one, now. The node's clock picks the bucket: what an outage kept waiting is told where it happened."""
        at = time.time_ns() // 1_000_000 // BUCKET_MS * BUCKET_MS
        with self._lock:
            self._counts[at, name] += 1

    def flush(self, database: Database) -> None:
        """Add what was counted to the rows. What could not be written is kept for the next time.

        When the connection breaks after the statement was sent, nobody knows whether it counted; it is then written
        once more. Figures for charts may be that wrong.
        """
        with self._lock:
            counts, self._counts = self._counts, Counter()
        # All nodes in one order: two that update the same rows in orders of their own wait for each other.
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
        return connection.execute(statement.on_conflict_do_nothing().returning(_A.at)).scalar_one_or_none()


def write_sample(database: Database, name: str, at: int, count: int) -> None:
    """Write the sample that was claimed."""
    with database.autocommit() as connection:
        connection.execute(update(_A).where(_A.at == at, _A.name == name).values(count=count))


class Stretch(NamedTuple):
    """What was counted under a name from `start` on, in milliseconds since the epoch, for the width that was asked for."""

    start: int
    name: str
    total: int
    highest: int


def read(connection: Connection, *, since: int, width: int) -> Sequence[Stretch]:
    """Sums and highest values by name and stretch of `width` milliseconds, from `since` on. One statement."""
    start = (_A.at - _A.at % width).label("start")
    written = (_A.at >= since) & (_A.count >= 0)
    figures = select(start, _A.name, func.sum(_A.count), func.max(_A.count)).where(written).group_by(start, _A.name)
    return [Stretch(*row) for row in connection.execute(figures)]


def prune(database: Database, *, keep: int) -> int:
    """Delete counts older than `keep` seconds. Returns how many. One statement: there are few rows an hour."""
    with database.autocommit() as connection:
        return connection.execute(delete(_A).where(_A.at <= now_ms() - keep * 1000)).rowcount


def _add(connection: Connection, rows: list[dict[str, Any]]) -> None:
    statement = _insert(connection.dialect.name == "sqlite").values(rows)
    more = {"count": _A.count + statement.excluded["count"]}
    connection.execute(statement.on_conflict_do_update(index_elements=[_A.at, _A.name], set_=more))


def _insert(is_sqlite: bool) -> Any:  # noqa: FBT001 - the only question there is
    return (sqlite if is_sqlite else postgresql).insert(ActivityRecord)
