"""Logging: structured lines on standard error, without any token."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Hashable

import structlog

from authserver.records.rates import BoundedRate
from authserver.settings.values import LogSettings

#: The level and the rate of lines are meant to make the log quieter. They must not drop audit events.
_AUDIT = "authserver.audit"


def configure_logging(settings: LogSettings, on_lost: Callable[[], None] = lambda: None) -> None:
    """Send the log of authserver and of the libraries to standard error, as JSON lines or as text for people.

    Lines come at a bounded rate (`LineRate`). `on_lost` is called for each line that could not be written.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor]
    if settings.format == "json":
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # By default it prints a traceback with the variables of each frame, which hold the password in a sign-in.
        last = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    # By itself logging would print a traceback for each line, to the stream that takes none.
    handler.handleError = lambda _record: on_lost()  # type: ignore[method-assign, assignment]
    handler.addFilter(LineRate())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level)
    logging.getLogger(_AUDIT).setLevel(logging.INFO)
    pin_library_loggers()


def pin_library_loggers() -> None:
    """Keep libraries from logging what they are given: at DEBUG, Authlib prints whole tokens and clients."""
    for name in ("alembic", "authlib", "sqlalchemy.engine", "werkzeug"):
        logging.getLogger(name).setLevel(logging.WARNING)


class LineRate(logging.Filter):
    """Bounds the lines of each kind and of each logger, so that no flood of requests fills the disk.

    A kind is a logger with an event, a reason and the type of an error. Of one kind 20 lines pass at once and one every 5
    seconds, of one logger 100 at once and one a second. A flood in one logger leaves the lines of others alone. The next
    line of a kind says how many were left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds = BoundedRate[Hashable](rate=0.2, burst=20)
        self._loggers = BoundedRate[str](rate=1.0, burst=100)

    def filter(self, record: logging.LogRecord) -> bool:
        left_out = self.admit(record, time.monotonic())
        if left_out:
            _add_count(record, left_out)
        return left_out is not None

    def admit(self, record: logging.LogRecord, now: float) -> int | None:
        """How many lines of the kind were left out since the last that passed, or None if this one is left out too."""
        if record.name == _AUDIT:
            return 0
        kind = _kind(record)
        left_out = self._kinds.admit(kind, now)
        if left_out is not None and self._loggers.admit(record.name, now) is None:
            self._kinds.pass_over(kind, left_out + 1)
            return None
        return left_out


def _kind(record: logging.LogRecord) -> Hashable:
    if isinstance(record.msg, dict):  # from structlog
        line = record.msg
        given = line.get("exc_info")  # True for the error that is being handled
        error = sys.exc_info()[0] if given is True else type(given)
        return record.name, line.get("event"), line.get("reason"), error
    error = record.exc_info[0] if record.exc_info else None
    return record.name, record.pathname, record.lineno, error


def _add_count(record: logging.LogRecord, left_out: int) -> None:
    if isinstance(record.msg, dict):
        record.msg["left_out_before"] = left_out
    else:
        record.msg = f"{record.getMessage()} ({left_out} more of this kind were left out before)"
        record.args = None
