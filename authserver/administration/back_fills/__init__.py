"""The back-fills of this version. A contract ends one: it leaves the list when its column may not be NULL any more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from authserver.administration.back_fills import client_status_indices
from authserver.administration.back_fills.base import BackFill
from authserver.database.engine import Database

BACK_FILLS: Final[tuple[BackFill, ...]] = (client_status_indices.BACK_FILL,)


def fill(database: Database, *, batch: int, back_fills: tuple[BackFill, ...] = BACK_FILLS) -> Iterator[int]:
    """Do what is left of all back-fills, a batch for each item. Yields the rows that a batch filled."""
    for back_fill in back_fills:
        yield from back_fill.fill(database, batch)


def left(database: Database) -> dict[str, int]:
    """How many rows each back-fill has left, by its name. This may read whole tables."""
    with database.autocommit() as connection:
        return {back_fill.name: back_fill.count_left(connection) for back_fill in BACK_FILLS}
