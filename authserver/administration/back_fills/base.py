"""What a back-fill is: values for rows that stood in the database before a column did, or that old nodes added since.

Housekeeping runs it in batches while all nodes serve. The rows themselves show the progress: a row that is filled is not
filled again, so a back-fill may be cut off at any moment and goes on, on any node. A record of the progress could be
wrong, because nodes of the version before go on inserting rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from authserver.database.engine import Database


@dataclass(frozen=True, slots=True)
class BackFill:
    """One back-fill. It must bear two workers at once, and ends when no row is left.

    `fill` does a batch of at most so many rows for each item that it yields, and commits it. It keeps its place in memory:
    a batch must not read the rows before it again. `count_left` says how many rows are left.
    """

    name: str
    fill: Callable[[Database, int], Iterator[int]]
    count_left: Callable[[Connection], int]
