"""Logging: structured lines on standard error, without any token."""

from __future__ import annotations

import logging
import sys

import structlog

from authserver.settings.values import LogSettings


def configure_logging(settings: LogSettings) -> None:
    """Send the log of authserver and of the libraries to standard error, as JSON lines or as text for people."""
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
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level)
    # The level is meant to make the log quieter. It must not drop audit events.
    logging.getLogger("authserver.audit").setLevel(logging.INFO)
    pin_library_loggers()


def pin_library_loggers() -> None:
    """Keep libraries from logging what they are given: at DEBUG, Authlib prints whole tokens and clients."""
    for name in ("alembic", "authlib", "sqlalchemy.engine", "werkzeug"):
        logging.getLogger(name).setLevel(logging.WARNING)
