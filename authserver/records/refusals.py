"""Records refusals at a bounded rate: a flood of refused requests must not become a flood of writes."""

from __future__ import annotations

import time
from dataclasses import replace

import structlog
from sqlalchemy.exc import SQLAlchemyError

from authserver.database.engine import Database
from authserver.records import audit
from authserver.records.audit import Entry, Event, Outcome
from authserver.records.metrics import NOT_RECORDED
from authserver.records.rates import BoundedRate

_log = structlog.get_logger("authserver.records")

#: After an event that the database did not take, the next of its kind waits so long, in seconds: each may hold a thread
#: until the database's timeout.
_PAUSE = 10.0


class RefusalRecorder:
    """Records of each event at most `burst` refusals at once and `rate` a second, in each process.

    Refusals that were passed over are counted, and the next recorded event says how many they were.
    """

    def __init__(self, database: Database, *, rate: float = 1.0, burst: int = 10) -> None:
        self._database = database
        self._admitted = BoundedRate[Event](rate=rate, burst=burst)

    def record(self, entry: Entry) -> bool:
        """Write the event in a transaction of its own, or count it as passed over. Returns whether it was written.

        If the database does not take it, a refusal is still answered as the refusal that it is: see
        docs/decisions/a-refusal-that-cannot-be-recorded.md. The failure of any other event is raised.
        """
        passed_over = self._admitted.admit(entry.event, time.monotonic())
        if passed_over is None:
            return False
        detail = {**entry.detail, **({"not_recorded_before": passed_over} if passed_over else {})}
        try:
            with self._database.transaction() as connection:
                audit.record(connection, replace(entry, detail=detail))
        except SQLAlchemyError as error:
            self._admitted.pass_over(entry.event, passed_over + 1)
            self._admitted.pause(entry.event, time.monotonic(), _PAUSE)
            if entry.outcome is not Outcome.REFUSED:
                raise
            NOT_RECORDED.labels("audit").inc()
            _log.warning("refusal_not_recorded", refused=entry.event.value, error=type(error).__name__)
            return False
        return True
