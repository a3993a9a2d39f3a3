"""The database: engine, transactions and time. The only place that commits.

There are two ways in. `Database.autocommit()` runs single statements, each its own transaction: the path of a refresh.
`Database.transaction()` is for an act of several statements: it commits at the end, or rolls all of them back. Both
yield a SQLAlchemy Core connection. The ORM's unit of work stays out of the token path, where it cost more than
everything else together.

Times are BIGINT milliseconds since the epoch, and the database's clock decides (`now_ms`). The clocks of nodes may
differ from it; the times in rows must all come from one clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from typing import Any

from flask import Flask
from sqlalchemy import Connection, Engine, ExceptionContext, event, exc, select

from authserver.database import deadlines
from authserver.database.connections import engine_options, prepare
from authserver.database.deadlines import Clock
from authserver.database.failures import Failure, Unavailable, failure_of
from authserver.database.silences import Silences
from authserver.database.sql import now_ms
from authserver.database.tables import db
from authserver.settings.model import Settings

__all__ = ["Database", "after_commit", "open_database"]

#: The key under which a connection keeps the acts that wait for its commit.
_WAITING = "authserver.after_commit"
#: The key under which it keeps that its transaction has written.
_HAS_WRITTEN = "authserver.has_written"
#: Seconds for what may take longer than an answer to a client.
_LONG = 60.0


class Database:
    """Hands out connections. One per process, built by `create_app`, safe for threads.

    A block of `autocommit` or `transaction` lasts at most `timeout` seconds, with the wait for its connection and all
    its statements. On SQLite only the waits for a connection and a lock are bounded.

    `failed_at` is when the database last failed, by `time.monotonic()`. `on_failure` gets each failure. `losses` counts
    connections that broke or led to the wrong place: what answers after one may be another database. `silences` knows
    when no write could be committed.
    """

    def __init__(
        self,
        engine: Engine,
        on_failure: Callable[[Failure], None] | None = None,
        *,
        timeout: float = math.inf,
        clock: Clock | None = None,
    ) -> None:
        self.engine = engine
        self.clock = clock or Clock()
        self.timeout = timeout
        self.patience: float | None = None  # seconds, where they differ from those that the server was told
        self.silences = Silences(timeout)
        self.losses = 0
        self._on_failure = on_failure
        event.listen(engine, "handle_error", self._note)
        event.listen(engine, "after_cursor_execute", self._note_write)
        event.listen(engine, "invalidate", self._count_loss)
        # SQLite takes the write lock at once: a transaction that reads before it writes could meet a newer snapshot.
        self._begin = "BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN ISOLATION LEVEL READ COMMITTED"

    @property
    def failed_at(self) -> float:
        return self.silences.failed_at

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """Yield a connection on which every statement commits by itself."""
        if self.patience is not None:  # only a transaction can change the server's time-out, for itself alone
            with self.transaction() as connection:
                yield connection
            return
        before = deadlines.begin(self.timeout)
        try:
            with self._connect() as connection:
                yield connection
        finally:
            deadlines.end(before)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection whose statements commit together at the end, or not at all when the block raises.

        All connections are in the driver's autocommit mode, so that a single statement costs a single round trip;
        a transaction is begun and ended by hand.
        """
        waiting: list[Callable[[], None]] = []
        with deadlines.within(self.timeout), self._connect() as connection:
            connection.exec_driver_sql(self._begin)
            if self.patience is not None:
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_milliseconds(self.patience)}")
            # `info` belongs to the driver's connection, which goes back to the pool: the entry is removed at the end.
            kept = connection.info
            kept[_WAITING] = waiting
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
                if kept.pop(_HAS_WRITTEN, False):
                    self.silences.note_write()
            except BaseException:
                _roll_back(connection)
                raise
            finally:
                kept.pop(_WAITING, None)
                kept.pop(_HAS_WRITTEN, None)
        for act in waiting:
            act()

    def now(self) -> int:
        """The database's clock, in milliseconds since the epoch. One statement."""
        with self.autocommit() as connection:
            asked_at = time.monotonic()
            now = connection.execute(select(now_ms())).scalar_one()
        self.clock.learn(now, asked_at)
        return now

    def stretched(self, seconds: float) -> float:
        """How long ago so many seconds began in which writes could be committed.

        What this process knows of silences is left out: clients could not come back in that time either.
        """
        return self.silences.stretched(seconds)

    def patient(self, seconds: float = _LONG) -> Database:
        """The same database for what takes longer than the answer to a client may: batches, listings, samples, upgrades.

        What counts failures and losses stays with this one.
        """
        other = copy(self)
        if self.timeout < seconds:
            other.timeout = seconds
            other.patience = None if self.is_sqlite else seconds
        return other

    def within(self) -> AbstractContextManager[None]:
        """Let the blocks in this one together last no longer than one of them may."""
        return deadlines.within(self.timeout)

    def latest(self) -> int:
        """The deadline of the present block by the database's clock, for the WHERE of a write that must not happen later.

        A stopped PostgreSQL runs a statement when it goes on, after the caller has been told that it did not answer. SQLite
        runs in the thread that waits, so a write there needs no deadline.
        """
        return 2**62 if self.is_sqlite else self.clock.at(deadlines.until())

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    def _connect(self) -> Connection:
        try:
            return self.engine.connect()
        except exc.TimeoutError as error:  # raised by the pool, so no driver's error was handled
            self._failed(error)
            raise

    def _count_loss(self, *_: object) -> None:
        self.losses += 1

    def _note_write(
        self, connection: Connection, cursor: Any, _statement: str, _parameters: Any, context: Any, _many: Any
    ) -> None:
        """Note that rows were written, while it is not known whether the database takes writes again."""
        if not self.silences.is_on or context is None:
            return
        if (context.isinsert or context.isupdate or context.isdelete) and cursor.rowcount > 0:
            if _WAITING in connection.info:  # it counts with its transaction
                connection.info[_HAS_WRITTEN] = True
            else:
                self.silences.note_write()

    def _note(self, context: ExceptionContext) -> None:
        if context.sqlalchemy_exception is not None:
            self._failed(context.sqlalchemy_exception)

    def _failed(self, error: BaseException) -> None:
        failure = failure_of(error)
        if failure is None:
            return
        self.silences.note_failure()
        if self._on_failure is not None:
            self._on_failure(failure)


def after_commit(connection: Connection, act: Callable[[], None]) -> None:
    """Run `act` once the connection's transaction is committed, and never if it is rolled back.

    On a connection of `autocommit()` it runs at once, because the statements are committed already.
    """
    waiting = connection.info.get(_WAITING)
    if waiting is None:
        act()
    else:
        waiting.append(act)


def _milliseconds(seconds: float) -> int:
    """The time as PostgreSQL's settings have it, where 0 stands for no bound."""
    return 0 if seconds == math.inf else round(seconds * 1000)


def _roll_back(connection: Connection) -> None:
    if connection.invalidated:
        return  # the connection broke: another statement would hide the reason behind an error of its own
    try:
        connection.exec_driver_sql("ROLLBACK")
    except Unavailable:
        connection.invalidate()  # its state is unknown, so the pool must not hand it out again


def open_database(
    app: Flask, settings: Settings, on_failure: Callable[[Failure], None] | None = None, *, bounded: bool = True
) -> Database:
    """Bind Flask-SQLAlchemy to the app and prepare its engine. Connects to nothing yet.

    Where it is not `bounded`, statements take as long as they need: a command is no request, and a person waits for it.
    """
    clock = Clock()
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings, bounded=bounded)
    db.init_app(app)
    with app.app_context():
        prepare(db.engine, settings, clock)
        timeout = settings.database.timeout if bounded else math.inf
        return Database(db.engine, on_failure, timeout=timeout, clock=clock)
