"""The connections to the database: what each driver is told, and which connections are of no use.

A connection may be open and lead to the wrong place, such as a hot standby after a failover. It is refused when it is
opened, and dropped with all others of its pool when a statement finds out later. One that the server or something in
between has closed meanwhile is replaced before a request gets it, so no statement is ever sent twice.

Of several hosts the one that took the last connection is tried first. Each host before it could cost a time-out.
"""

from __future__ import annotations

import os
import secrets
import select
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import URL, Connection, Engine, ExceptionContext, event, exc
from sqlalchemy.pool import ConnectionPoolEntry

from authserver.database.deadlines import Clock
from authserver.settings.model import Settings

_log = structlog.get_logger("authserver.database")

#: The parts of `database.timeout` after which the server ends a statement, and before that its wait for a lock, whose
#: error says more. The client gives up after both, because that costs the connection.
_STATEMENT_SHARE = 0.8
_LOCK_SHARE = 0.7
#: What a connection has in any case, in multiples of `database.timeout`. A server's statements have `statement_timeout` too.
LIMITS = {"lock_timeout": _LOCK_SHARE, "idle_in_transaction_session_timeout": 3}
_ASK_LIMITS = ", ".join(f"current_setting('{name}')" for name in LIMITS)
#: Seconds until the next of several hosts is tried. A host that is gone without a word costs each new connection as much.
_NEXT_HOST_SECONDS = 3
#: A prepared statement is missing or there already: a pooler gave the connection's statements different servers.
_STATEMENTS_MIXED_UP = ("26000", "42P05")
#: The key under which a pooled connection keeps when it was last given back, by `time.monotonic()`.
_LAST_USE = "authserver.last_use"
#: A connection that was not used for so many seconds is tried before a request gets it.
_QUIET_SECONDS = 5.0
#: The part of `database.timeout` that a request may wait for a connection of the pool. The rest is for its statements.
_POOL_SHARE = 0.5


def engine_options(settings: Settings, *, bounded: bool = True) -> dict[str, Any]:
    """What SQLAlchemy's `create_engine` is given."""
    database = settings.database
    pool = {
        "pool_size": database.pool_size,
        "max_overflow": 0,
        "pool_timeout": database.timeout * _POOL_SHARE,
        "hide_parameters": True,  # an error's text must not carry digests and hashes into the log
        "isolation_level": "AUTOCOMMIT",
        # Each would be one more round trip a statement, to end a transaction that was never begun.
        "skip_autocommit_rollback": True,
        "pool_reset_on_return": None,
    }
    if settings.database_url.get_backend_name() == "sqlite":
        return {**pool, "connect_args": {"timeout": database.timeout}}
    return {
        **pool,
        "pool_use_lifo": True,  # lets idle connections age out on the server's side after a storm
        "connect_args": {
            **_libpq_options(settings.database_url, database.timeout, bounded=bounded),
            **({} if database.prepared_statements else {"prepare_threshold": None}),
        },
    }


def _libpq_options(url: URL, timeout: int, *, bounded: bool) -> dict[str, Any]:
    """What libpq is told beside the URL. The URL and libpq's own variables win, except for the encoding.

    Of two `-c` for one setting the later counts, so the operator's `options` follow ours.
    """
    theirs = url.query.get("options", os.environ.get("PGOPTIONS", ""))
    bounds = {name: round(factor * timeout * 1000) for name, factor in LIMITS.items()}
    bounds["statement_timeout"] = round(_STATEMENT_SHARE * timeout * 1000) if bounded else 0
    ours: dict[str, Any] = {
        "fallback_application_name": "authserver",
        # A server that lost its power closes no connection. By the kernel's defaults a thread would wait 15 minutes
        # for the answer to a statement that has been received, and a pool of them longer than any outage.
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": timeout * 1000,
    }
    if "PGCONNECT_TIMEOUT" not in os.environ:
        ours["connect_timeout"] = min(timeout, _NEXT_HOST_SECONDS) if _has_several_hosts(url) else timeout
    return {name: value for name, value in ours.items() if name not in url.query} | {
        "client_encoding": "utf8",  # psycopg would decode all text by another one, and SQL_ASCII not at all
        "options": " ".join(
            [
                *(f"-c {name}={value}" for name, value in bounds.items()),
                *([theirs] if isinstance(theirs, str) else theirs),
            ]
        ),
    }


def _has_several_hosts(url: URL) -> bool:
    hosts = url.query.get("host", "")
    return not isinstance(hosts, str) or "," in hosts


def prepare(engine: Engine, settings: Settings, clock: Clock) -> None:
    """Make each connection of an engine ready for use when it is opened, and drop it when it turns out useless.

    `clock` learns the time of PostgreSQL from each.
    """
    event.listen(engine, "handle_error", _drop_read_only)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, Path(engine.url.database or ""), settings.database.timeout)
    else:
        event.listen(engine, "handle_error", _take_for_a_failure, retval=True)
        _refuse_useless_servers(engine, clock, any_server="target_session_attrs" in engine.url.query)
        _replace_dead_connections(engine)


def _drop_read_only(context: ExceptionContext) -> None:
    """Treat a connection that takes no writes as a broken one. The whole pool goes, since all of it leads there.

    If only an answer is overdue, the other connections may still be good.
    """
    error = context.original_exception
    if context.is_disconnect and getattr(error, "sqlstate", None) == "57014":
        context.invalidate_pool_on_disconnect = False
    if (
        getattr(error, "sqlstate", None) == "25006"
        or getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
    ):
        context.is_disconnect = True


def _take_for_a_failure(context: ExceptionContext) -> Exception | None:
    """Answer 503, with a reason that operators find: the request is right, and the pooler or our setting is not."""
    error = context.sqlalchemy_exception
    if error is None or getattr(error.orig, "sqlstate", None) not in _STATEMENTS_MIXED_UP or error.orig is None:
        return None
    return exc.OperationalError(error.statement, error.params, error.orig, hide_parameters=True)


def _in_order(options: dict[str, Any], last: tuple[str, str]) -> dict[str, Any]:
    """The options with the last host that took a connection in front; libpq's check goes on to the next of several."""
    if "," not in options.get("host", ""):
        return dict(options)
    changed = {"target_session_attrs": "read-write", **options}  # a copy: `options` serves all threads
    if "hostaddr" not in options:  # that is a third list, in the order of the other two
        hosts, ports = options["host"].split(","), str(options.get("port", "")).split(",")
        places = list(zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=True))
        places.sort(key=lambda place: place != last)  # stable, so the others keep the order of the URL
        changed["host"], changed["port"] = (",".join(part) for part in zip(*places, strict=True))
    return changed


def lost_limits(connection: Connection) -> list[str]:
    """The limits that should end a statement's waiting, and are off. PgBouncer gives no `options` to the server."""
    if connection.dialect.name == "sqlite":
        return []
    return _lost(connection.exec_driver_sql(f"SELECT {_ASK_LIMITS}").one())


def _lost(values: Sequence[str]) -> list[str]:
    return [name for name, value in zip(LIMITS, values, strict=True) if value == "0"]


def _refuse_useless_servers(engine: Engine, clock: Clock, *, any_server: bool) -> None:
    """Ask on each new connection for encoding and writes. Close it if it is not UTF-8 or, unless any server will do, read-only.

    libpq could check the latter by itself, but it believes what the server reports at login. PgBouncer repeats there
    what its first server reported, so after a failover libpq would refuse the right server for good. The same question
    shows whether the limits have arrived.
    """
    from authserver.database import postgres  # noqa: PLC0415 - SQLite does without the driver

    warned = False
    last = ("", "")

    @event.listens_for(engine, "do_connect")
    def _open(_dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        return postgres.connect(arguments, _in_order(options, last))

    @event.listens_for(engine, "connect")
    def _check(connection: Any, _record: Any) -> None:
        nonlocal last, warned
        from psycopg.errors import OperationalError, ReadOnlySqlTransaction  # noqa: PLC0415 - SQLite does without it

        asked = f"SELECT current_setting('transaction_read_only'), current_setting('server_encoding'), {_ASK_LIMITS}"
        asked += ", floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint"
        asked_at = time.monotonic()
        read_only, encoding, *limits, now = connection.execute(asked).fetchone()
        clock.learn(now, asked_at)
        if encoding != "UTF8":
            # Such a database cannot hold every name. SQL_ASCII even takes bytes that are no text at all.
            refused = OperationalError(f"the database has the encoding {encoding}, and must have UTF8")
            refused.sqlstate = "22P05"
            raise refused
        if read_only == "on" and not any_server:
            raise ReadOnlySqlTransaction("the server is read-only: a standby, or default_transaction_read_only is on")
        if not warned and (lost := _lost(limits)):
            warned = True
            _log.warning("database_limits_missing", settings=lost, advice="Set them on the role (docs/operating.md).")
        last = (connection.info.host, str(connection.info.port))


def _replace_dead_connections(engine: Engine) -> None:
    """Try an idle connection before it is handed out, if there is a sign that it may have died."""

    @event.listens_for(engine, "checkout")
    def _check_again(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        last_use = record.info.get(_LAST_USE)
        if last_use is None:  # it was opened for this request
            return
        if time.monotonic() - last_use < _QUIET_SECONDS and not _has_input(connection):
            return
        try:
            connection.execute("SELECT 1")
        except connection.Error as error:
            raise exc.InvalidatePoolError from error  # SQLAlchemy opens another connection and tries it

    @event.listens_for(engine, "checkin")
    def _note_use(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_LAST_USE] = time.monotonic()


def _has_input(connection: Any) -> bool:
    """Whether something has arrived on an idle connection: mostly the server's last words. Costs no round trip."""
    try:
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        return bool(waiting.poll(0))
    except connection.Error:  # closed on this side
        return True


def _prepare_sqlite(engine: Engine, file: Path, timeout: int) -> None:
    """Make the file private, use WAL with full syncs, and wait while another process writes."""

    @event.listens_for(engine, "do_connect")
    def _make_private(*_: Any) -> None:
        if not file.exists():
            with suppress(OSError):  # SQLite reports the problem
                _create_private(file)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout = {timeout * 1000}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a rotation that was answered survives a power cut
        connection.execute("PRAGMA foreign_keys = ON")


def _create_private(file: Path) -> None:
    """Make an empty database of mode 0600, in WAL mode. SQLite would let all users read the file and its log.

    The file is made under another name and linked into place, for two reasons. When several processes turn one new file
    to WAL at once, one of them fails in one of ten rounds, however long it waits. And if this function opened the file
    under its own name, closing it would drop every lock that SQLite holds on it in this process (POSIX): two writers
    would damage the database.
    """
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(draft)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with suppress(FileExistsError):  # another process was first
            os.link(draft, file)
    finally:
        draft.unlink()
