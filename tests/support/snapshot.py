"""The contents of a database, to compare before and after a request that must change nothing."""

from __future__ import annotations

from typing import Any

from authserver.database.tables import db
from tests.support.setup import Setup

#: Any request may cause these events, at a bounded rate. They record refusals and change nothing else.
_REFUSALS = ("client.refused", "sign_in.refused", "session.from_the_future")


#: Each sign-in is charged, and an honest one gets its charge back: the times of its rows change all the same.
_COUNTS = {"throttle_buckets", "throttle_strangers"}


def contents(setup: Setup) -> dict[str, list[Any]]:
    """Every row of every table, without the events of refused requests and the counts of failures."""
    names = {table.name for table in db.metadata.sorted_tables} - _COUNTS
    tables = {name: setup.sql(f"SELECT * FROM {name}") for name in names}
    tables["audit_events"] = [row for row in tables["audit_events"] if row.event not in _REFUSALS]
    return {name: sorted(map(tuple, rows), key=repr) for name, rows in tables.items()}
