"""Copies every row of an SQLite database into a PostgreSQL database. The tables of the models convert the types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from authserver.database import schema
from authserver.database.engine import Database
from authserver.database.failures import failure_of
from authserver.database.tables import db

#: Tables that have rows in a new database. The rows of the source take their place.
_FILLED_BY_UPGRADES = {"apis", "scopes", "status_counter", "schema_origin"}
_BATCH = 1000

#: Gets the name of a table and how many of its rows were copied so far.
Progress = Callable[[str, int], None]


class TransferRefused(Exception):
    """The rows cannot be transferred, and the target is as it was; the text says why, and what to do."""


def transfer(source: Database, target: Database, on_progress: Progress) -> dict[str, int]:
    """Copy all rows in one transaction of the target. Returns how many of each table.

    The source is locked meanwhile, and marked at the end: no server starts on it again, and one that runs is not ready.

    Raises:
        TransferRefused: the schemas differ, the target is in use already, or a row does not fit.
    """
    tables = db.metadata.sorted_tables
    with source.transaction() as reading, target.transaction() as writing:
        # A large table takes longer than any request may.
        writing.execute(text("SET LOCAL statement_timeout = 0"))
        _check_schemas(reading, writing)
        for table in tables:
            if table.name in _FILLED_BY_UPGRADES:
                writing.execute(delete(table))
            elif writing.execute(select(table).limit(1)).first() is not None:
                raise TransferRefused(f"the target has rows in {table.name}: it must be new (authserver db upgrade)")
        copied = {table.name: _copy(table, reading, writing, on_progress) for table in tables}
        for table in tables:
            found = _count(table, writing)
            if not copied[table.name] == found == _count(table, reading):
                raise TransferRefused(
                    f"{table.name} has {found} rows in the target and {copied[table.name]} were copied"
                )
            _set_sequences(table, writing)
        schema.mark_as_moved(reading)  # committed right after the target
    with target.autocommit() as connection:
        connection.execute(text("ANALYZE"))
    return copied


def _check_schemas(reading: Connection, writing: Connection) -> None:
    ours, theirs = schema.current(reading), schema.current(writing)
    if ours != theirs or ours != schema.newest():
        raise TransferRefused(
            f"the source has the schema {ours}, the target {theirs}, and both need {schema.newest()}; "
            "run authserver db upgrade on each"
        )
    missing = set(inspect(reading).get_table_names()) - set(db.metadata.tables) - {"alembic_version"}
    if missing:
        raise TransferRefused(f"the source has tables that this version does not know: {', '.join(sorted(missing))}")


def _copy(table: Table, reading: Connection, writing: Connection, on_progress: Progress) -> int:
    copied = 0
    for rows in _batches(table, reading):
        try:
            writing.execute(insert(table), rows)
        except SQLAlchemyError as error:
            if failure_of(error) is not None:
                raise
            # SQLite takes texts that are longer than their column, and zero bytes. The text of the error has no values.
            raise TransferRefused(f"a row of {table.name} does not fit: {getattr(error, 'orig', error)}") from None
        copied += len(rows)
        on_progress(table.name, copied)
    return copied


def _batches(table: Table, reading: Connection) -> Iterator[list[dict[str, Any]]]:
    rows = reading.execute(select(table), execution_options={"yield_per": _BATCH})
    for part in rows.mappings().partitions(_BATCH):
        yield [dict(row) for row in part]


def _count(table: Table, connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _set_sequences(table: Table, writing: Connection) -> None:
    """Go on after the highest number that was copied: rows that bring their number do not move the sequence."""
    for column in table.primary_key:
        names = {"table": table.name, "column": column.name}
        sequence = writing.execute(text("SELECT pg_get_serial_sequence(:table, :column)"), names).scalar_one()
        if sequence is not None:
            highest = writing.execute(select(func.coalesce(func.max(column), 0))).scalar_one()
            following = {"sequence": sequence, "next": highest + 1}
            writing.execute(text("SELECT setval(CAST(:sequence AS regclass), :next, false)"), following)
