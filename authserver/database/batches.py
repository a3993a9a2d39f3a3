"""Deletes rows in batches, each so small that others wait only a moment for its locks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, select, true
from sqlalchemy.orm import InstrumentedAttribute

from authserver.database.engine import Database
from authserver.database.sql import in_batch

#: A batch that took longer, in seconds, makes the next one half as large. The aim is less than 0.05 s.
_SLOW = 0.025
#: A batch that was quicker, in seconds, makes the next one twice as large.
_QUICK = 0.01
_FIRST = 100
#: Below this size a statement costs more than its rows.
_LEAST = 10
_ALL = true()


class Batches:
    """A clean-up's next batch: `size` follows the time that the last ones took, up to `most` rows. For one thread.

    `on_batch` gets the table, the number of rows and the seconds of each. Where rows share a `key`, `among` says which of
    them a batch may delete, and it may take some more than its size: those that share the last keys.
    """

    def __init__(
        self, database: Database, most: int, on_batch: Callable[[str, int, float], None] = lambda *_: None
    ) -> None:
        self.database = database
        self.size = min(_FIRST, most)
        self.most = most
        self._on_batch = on_batch

    def delete(
        self, key: InstrumentedAttribute[Any], old: ColumnElement[bool], *, among: ColumnElement[bool] = _ALL
    ) -> int:
        """Delete a batch of the rows that are `old`. Returns how many: 0 if there are no more, or others hold them.

        The rows are looked for first, without a lock: where no index serves the condition, that reads the whole table.
        """
        with self.database.transaction() if not self.database.is_sqlite else self.database.autocommit() as connection:
            self._prefer_indexes(connection)
            keys = list(connection.execute(select(key).where(among, old).limit(self.size)).scalars())
        return self.delete_within(key, key.in_(keys), old, among=among) if keys else 0

    def delete_within(
        self,
        key: InstrumentedAttribute[Any],
        within: ColumnElement[bool],
        old: ColumnElement[bool],
        *,
        among: ColumnElement[bool] = _ALL,
    ) -> int:
        """Delete the old rows of a few. Several callers share the work, and a row that another holds is passed over."""
        some = select(key).where(within, among, old).with_for_update(skip_locked=True, of=key.class_)
        with self.database.transaction() as connection:
            self._prefer_indexes(connection)
            # Not earlier: while it waits for a connection, or for SQLite's lock, it holds no lock.
            began = time.monotonic()
            deleted = connection.execute(delete(key.class_).where(in_batch(key, some), among)).rowcount
        took = time.monotonic() - began
        if took > _SLOW or deleted * 2 > self.size:  # a few rows that were quick say nothing about many
            self.adapt(took)
        self._on_batch(key.class_.__tablename__, deleted, took)
        return deleted

    def adapt(self, took: float) -> None:
        """Choose the next size after a batch that took so many seconds."""
        if took > _SLOW:
            self.size = max(min(_LEAST, self.most), self.size // 2)
        elif took < _QUICK:
            self.size = min(self.most, self.size * 2)

    def _prefer_indexes(self, connection: Connection) -> None:
        """Where one client has nearly all sessions, PostgreSQL would look for another's by reading all of them."""
        if not self.database.is_sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
