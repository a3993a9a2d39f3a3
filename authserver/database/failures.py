"""Why a database fails: from the driver's error to a reason, for answers, commands and a log that no flood fills."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from dataclasses import dataclass

import structlog
from sqlalchemy import exc

from authserver.refusals.reasons import Reason

_log = structlog.get_logger("authserver.database")

#: The errors of a database that is away, restarting, full, too slow or read-only. A client may retry; never a 500.
Unavailable = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError)

#: A reason with one code is logged at most this often, in seconds, by each process.
_LOG_EVERY = 60.0

#: By SQLSTATE, or its class. Data and constraints are missing here: their errors say nothing against the database.
_BY_STATE = {
    "08": Reason.DATABASE_UNREACHABLE,
    "22P05": Reason.DATABASE_ENCODING,
    "25006": Reason.DATABASE_READ_ONLY,
    "26000": Reason.DATABASE_POOLER,
    "28": Reason.DATABASE_LOGIN_REFUSED,
    "3D000": Reason.DATABASE_MISSING,
    "3F000": Reason.DATABASE_SCHEMA,
    "40": Reason.DATABASE_BUSY,
    "42501": Reason.DATABASE_RIGHTS,
    "42703": Reason.DATABASE_SCHEMA,
    "42P01": Reason.DATABASE_SCHEMA,
    "42P05": Reason.DATABASE_POOLER,
    "53100": Reason.DATABASE_FULL,
    "53300": Reason.DATABASE_CONNECTIONS,
    "55P03": Reason.DATABASE_BUSY,
    "57014": Reason.DATABASE_BUSY,
    "57": Reason.DATABASE_UNREACHABLE,
}
_BY_SQLITE_CODE = {
    sqlite3.SQLITE_ERROR: Reason.DATABASE_SCHEMA,
    sqlite3.SQLITE_BUSY: Reason.DATABASE_BUSY,
    sqlite3.SQLITE_LOCKED: Reason.DATABASE_BUSY,
    sqlite3.SQLITE_READONLY: Reason.DATABASE_READ_ONLY,
    sqlite3.SQLITE_FULL: Reason.DATABASE_FULL,
    sqlite3.SQLITE_IOERR_SHMSIZE: Reason.DATABASE_FULL,  # the index of its log could not grow
    sqlite3.SQLITE_IOERR: Reason.DATABASE_FILE,
    sqlite3.SQLITE_CORRUPT: Reason.DATABASE_FILE,
    sqlite3.SQLITE_CANTOPEN: Reason.DATABASE_FILE,
    sqlite3.SQLITE_NOTADB: Reason.DATABASE_FILE,
}
#: libpq gives no SQLSTATE when a connection fails, only a text. The first that fits counts.
_BY_TEXT = [
    (re.compile(pattern, re.IGNORECASE), state, reason)
    for pattern, state, reason in (
        (r"no pg_hba\.conf entry|pg_hba\.conf rejects", "28000", Reason.DATABASE_HOST_REFUSED),
        (r"password authentication failed", "28P01", Reason.DATABASE_LOGIN_REFUSED),
        (r"role .* does not exist|not permitted to log in", "28000", Reason.DATABASE_LOGIN_REFUSED),
        (r"no password supplied|authentication failed", "", Reason.DATABASE_LOGIN_REFUSED),
        (r"database .* does not exist", "3D000", Reason.DATABASE_MISSING),
        (r"too many (clients|connections)|remaining connection slots", "53300", Reason.DATABASE_CONNECTIONS),
        (r"permission denied", "42501", Reason.DATABASE_RIGHTS),
        (r"database system is", "57P03", Reason.DATABASE_UNREACHABLE),
        (r"could not translate host name|name resolution|failed to resolve", "", Reason.DATABASE_HOST_UNKNOWN),
        (r"(session|server) is (not )?(read-only|in hot standby)", "25006", Reason.DATABASE_READ_ONLY),
        (r"conversion between .* not supported", "22P05", Reason.DATABASE_ENCODING),
        (r"invalid (connection option|URI|\S+ value|port|value for parameter|command-line)", "", Reason.DATABASE_URL),
        (
            r"unrecognized configuration parameter|unsupported startup parameter|bad value for|requires a value",
            "",
            Reason.DATABASE_URL,
        ),
        (r"not support SSL|certificate|SSL error: (?!unexpected eof)|SSL was required", "", Reason.DATABASE_TLS),
    )
]
#: Readiness does not tell these apart.
_NO_ANSWER = {
    Reason.DATABASE_UNAVAILABLE,
    Reason.DATABASE_UNREACHABLE,
    Reason.DATABASE_HOST_UNKNOWN,
    Reason.DATABASE_BUSY,
    Reason.DATABASE_FILE,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the database failed.

    `code` is the SQLSTATE or SQLite's name of the error; empty if it has no code. `said` is the first line of the driver's
    text, or one for each host: never the statement, and nothing of its parameters.
    """

    reason: Reason
    code: str
    said: str

    @property
    def line(self) -> str:
        """For operators: what the driver said, and what to do."""
        code = f" ({self.code})" if self.code else ""
        return f"{self.said}{code}. {self.reason.advice}"

    @property
    def problem(self) -> str:
        """For readiness, without names of hosts and roles."""
        if self.reason in _NO_ANSWER:
            return "the database does not answer"
        if self.reason is Reason.DATABASE_ENCODING:
            return self.said
        text = self.reason.text.rstrip(".")
        return text[0].lower() + text[1:] if text.startswith("The ") else text


def failure_of(error: BaseException) -> Failure | None:
    """Why the database failed; None if the error says nothing against the database."""
    if isinstance(error, exc.TimeoutError):
        return Failure(Reason.DATABASE_BUSY, "", "all connections of the pool were in use for too long")
    if not isinstance(error, exc.DBAPIError) or isinstance(error, exc.DataError | exc.IntegrityError):
        return None
    cause = error.orig
    reason, code = _known(cause)
    if reason is None and isinstance(error, Unavailable):
        reason = Reason.DATABASE_UNAVAILABLE if code else Reason.DATABASE_UNREACHABLE
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    hosts = [
        line.removeprefix("- ") for line in lines if line.startswith("- host: ")
    ]  # psycopg's list, if there are several
    return None if reason is None else Failure(reason, code, "; ".join(hosts) or lines[0].rstrip("."))


def _known(cause: BaseException | None) -> tuple[Reason | None, str]:
    """The reason of a driver's error, if it is known, and its code."""
    if isinstance(cause, sqlite3.Error):
        number = getattr(cause, "sqlite_errorcode", -1)
        return _BY_SQLITE_CODE.get(number) or _BY_SQLITE_CODE.get(number & 0xFF), getattr(cause, "sqlite_errorname", "")
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return _BY_STATE.get(state) or _BY_STATE.get(state[:2]), state
    fitting = ((reason, code) for pattern, code, reason in _BY_TEXT if pattern.search(str(cause)))
    return next(fitting, (None, ""))


def reason_of(error: BaseException) -> Reason:
    """The reason of one of the errors in `Unavailable`."""
    failure = failure_of(error)
    return Reason.DATABASE_UNAVAILABLE if failure is None else failure.reason


class FailureLog:
    """Writes into the log why the database fails. Safe for threads; one per process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: dict[tuple[Reason, str], tuple[float, int]] = {}

    def note(self, failure: Failure) -> None:
        """Log a failure, or count it if the last line of its kind is not old enough."""
        kind, now = (failure.reason, failure.code), time.monotonic()
        with self._lock:
            last, left_out = self._noted.get(kind, (float("-inf"), 0))
            is_due = now - last >= _LOG_EVERY
            self._noted[kind] = (now, 0) if is_due else (last, left_out + 1)
        if is_due:
            _log.warning(
                "database_failed",
                reason=failure.reason.name.lower(),
                code=failure.code,
                said=failure.said,
                advice=failure.reason.advice,
                like_this_since_the_last_line=left_out,
            )
