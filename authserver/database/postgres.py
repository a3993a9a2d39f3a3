"""The driver's connection with deadlines. Imported only where the database is PostgreSQL."""

from __future__ import annotations

import math
import threading
from typing import Any, Never

import psycopg
from psycopg import errors
from psycopg.abc import PQGen

from authserver.database.deadlines import left


class Overdue(psycopg.OperationalError):
    """The database did not answer in time. The connection is closed, and what it was asked may still happen."""

    sqlstate = "57014"


class BoundedConnection(psycopg.Connection[Any]):
    """A connection whose waits end when the thread's time for the database is over (`deadlines`)."""

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer.

        Raises:
            Overdue: it did not come in time.
        """
        seconds = left()
        if seconds == math.inf:
            return super().wait(gen, interval, timeout)
        if seconds <= 0:
            self._give_up()
        try:
            return super().wait(gen, interval, seconds if timeout is None else min(seconds, timeout))
        except errors._WaitTimeout:  # noqa: SLF001 - `wait` documents it
            self._give_up()

    def _give_up(self) -> Never:
        # An answer may still come, so nothing else can be asked over this connection.
        self.close()
        raise Overdue("the database did not answer in time") from None


class _Opening:
    """After a failure only so many threads of a process open connections at once.

    A server that was stopped looks at every attempt that was given up meanwhile before it answers a new one.
    """

    def __init__(self) -> None:
        self.failed = False
        self.places = threading.BoundedSemaphore(2)


_opening = _Opening()


def connect(arguments: Any, options: dict[str, Any]) -> BoundedConnection:
    """Open a connection within the thread's time for the database, which all hosts of the address share."""
    if not _opening.failed:
        return _connect(arguments, options)
    seconds = left() / 2  # the other half is for the connection
    if not _opening.places.acquire(timeout=None if seconds == math.inf else max(0.0, seconds)):
        raise Overdue("the database did not answer in time")
    try:
        if left() < _least(options):
            raise Overdue("the database did not answer in time")
        return _connect(arguments, options)
    finally:
        _opening.places.release()


def _least(options: dict[str, Any]) -> float:
    """The seconds below which no connection is opened after a failure: libpq would take 2 s and exceed the deadline."""
    given = str(options.get("connect_timeout", ""))
    return min(1.0, int(given) / 4) if given.isdecimal() else 0.0


def _connect(arguments: Any, options: dict[str, Any]) -> BoundedConnection:
    if (seconds := left()) != math.inf:
        hosts = str(options.get("host", "")).count(",") + 1
        # libpq counts whole seconds, at least 2.
        share, given = max(2, int(seconds / hosts)), str(options.get("connect_timeout", ""))
        if not given or given.isdecimal():  # libpq refuses what is no number
            options["connect_timeout"] = min(share, int(given or share) or share)
    try:
        connection = BoundedConnection.connect(*arguments, **options)
    except psycopg.Error:
        _opening.failed = True
        raise
    _opening.failed = False
    return connection
