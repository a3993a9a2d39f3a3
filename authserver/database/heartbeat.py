"""The heartbeat: a row that the workers of all nodes keep young. While it gets old, no worker can write: a silence.

So a worker without requests knows of a silence too, and one that starts after it finds it in the database. That all nodes
were down is a silence as well.

The row is in the table of leases: its `until` is when the next beat is due. A silence is another row, with its beginning in
the name and its end in `until`.
"""

from __future__ import annotations

import time
from uuid import UUID

import structlog
from sqlalchemy import Connection, Uuid, column, delete, literal, select, table, update
from sqlalchemy.dialects import postgresql, sqlite

from authserver.database.engine import Database
from authserver.database.leases import LeaseRecord
from authserver.database.silences import Silence
from authserver.database.sql import now_ms

_log = structlog.get_logger("authserver.database")

#: Seconds from one beat to the next. One worker of all writes, the others read.
EVERY = 2.0
#: So many seconds without a beat are a silence: more than a busy machine lets pass by itself, and less than a window.
_SILENT = 10.0
#: Seconds for which a silence is kept: more than a retry window, together with other silences in it.
_KEPT = 86_400.0

_EVERY_MS, _SILENT_MS, _KEPT_MS = (round(seconds * 1000) for seconds in (EVERY, _SILENT, _KEPT))
_NAME = "heartbeat"
_L = LeaseRecord
_READ = select(_L.name, _L.until, now_ms()).where(_L.name.startswith(_NAME))
_DUE = {"until": now_ms() + _EVERY_MS}
#: Changes no row and waits where a refresh would wait, so a beat proves that sessions can be written.
_sessions = table("sessions", column("id", Uuid()), column("generation"))
_PROBE = update(_sessions).where(_sessions.c.id == UUID(int=0)).values(generation=_sessions.c.generation)


class Heartbeat:
    """One worker's part of it. For one thread, which calls `beat` every `EVERY` seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self) -> None:
        """Let the database know that a worker can write, unless another has just done so, and learn of silences."""
        due, now = self._read()
        if due is None or not now < due <= now + _EVERY_MS:
            with self._database.transaction() as connection:
                self._write(connection, due)
            due, now = self._read()
        if due is not None and now < due:
            self._database.silences.note_write()  # also if it was another's: a silence of this worker is over

    def _read(self) -> tuple[int | None, int]:
        """When the next beat is due, and the time; both by the database's clock. Notes the silences."""
        asked_at = time.monotonic()
        with self._database.autocommit() as connection:
            rows = connection.execute(_READ).all()
        now = max((row[2] for row in rows), default=0)

        def moment(ms: int) -> float:
            return asked_at - (now - ms) / 1000

        found = [(name.partition(" ")[2], until) for name, until, _ in rows]
        common: list[Silence] = [(moment(int(began)), moment(ended)) for began, ended in found if began]
        self._database.silences.note_common(common)
        return next((until for began, until in found if not began), None), now

    def _write(self, connection: Connection, due: int | None) -> None:
        """Beat, if no other worker has done so since it was due. Of any number of callers one writes the silence."""
        connection.execute(_PROBE)
        if due is None:
            insert = (sqlite if self._database.is_sqlite else postgresql).insert(_L)
            connection.execute(insert.values(name=_NAME, **_DUE).on_conflict_do_nothing())
            return
        beat = update(_L).where(_L.name == _NAME, _L.until == due).values(_DUE).returning(_L.until)
        following = connection.execute(beat).scalar_one_or_none()
        if following is None:
            return
        began, ended = due - _EVERY_MS, following - _EVERY_MS
        if ended - began >= _SILENT_MS:
            _log.info("no_worker_could_write", seconds=round((ended - began) / 1000))
            insert = (sqlite if self._database.is_sqlite else postgresql).insert(_L)
            silence = insert.values(name=f"{_NAME} {began}", until=literal(ended))
            connection.execute(silence.on_conflict_do_nothing())
            connection.execute(delete(_L).where(_L.name.startswith(f"{_NAME} "), _L.until < ended - _KEPT_MS))
