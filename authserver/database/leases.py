"""Leases: work that one worker of all nodes does. A lease that is not extended runs out, so any worker may die.

The work must bear two workers at once all the same: one that was stopped for longer than its lease goes on beside the
next, until it tries to extend it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Executable, String, or_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from authserver.database.engine import Database
from authserver.database.sql import now_ms
from authserver.database.tables import Model


class LeaseRecord(Model):
    """A kind of work, and until when only its holder does it (milliseconds since the epoch)."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    until: Mapped[int] = mapped_column(BigInteger)


class Lease:
    """One worker's side of a lease. For one thread.

    `longest` is the most seconds that a worker holds it or pauses. A lease that goes on for longer counts as free: the
    clock of the database was set back, or the pause was longer before a change of the settings.
    """

    def __init__(self, database: Database, name: str, *, longest: float) -> None:
        self._database = database
        self._name = name
        self._longest_ms = round(longest * 1000)
        self._until = 0

    def claim(self, seconds: float) -> bool:
        """Take the lease, if no worker holds it. One statement: of any number of callers one gets it."""
        insert = (sqlite if self._database.is_sqlite else postgresql).insert(LeaseRecord)
        mine = insert.values(name=self._name, until=now_ms() + round(seconds * 1000))
        claim = mine.on_conflict_do_update(
            index_elements=[LeaseRecord.name],
            set_={"until": mine.excluded.until},
            where=or_(LeaseRecord.until <= now_ms(), LeaseRecord.until > now_ms() + self._longest_ms),
        )
        return self._run(claim.returning(LeaseRecord.until))

    def extend(self, seconds: float) -> bool:
        """Hold the lease for so many seconds from now. Returns False if this worker has it no more, or never had."""
        if not self._until:
            return False
        held = (LeaseRecord.name == self._name) & (LeaseRecord.until == self._until)
        longer = update(LeaseRecord).where(held).values(until=now_ms() + round(seconds * 1000))
        return self._run(longer.returning(LeaseRecord.until))

    def finish(self, pause: float = 0) -> None:
        """Give the lease back, if this worker has it. It is free again after so many seconds."""
        self.extend(pause)
        self._until = 0

    def _run(self, statement: Executable) -> bool:
        with self._database.autocommit() as connection:
            until = connection.execute(statement).scalar_one_or_none()
        self._until = until or 0
        return until is not None
