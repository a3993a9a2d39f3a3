"""One worker process: makes the application, serves the shared sockets, stops when told or when its parent is gone."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

import uvicorn

from authserver.serving.accepting import Listener
from authserver.serving.limits import BoundedProtocol, Limits
from authserver.serving.memory import give_back_freed_memory
from authserver.serving.wsgi import WSGIBridge

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from wsgiref.types import WSGIApplication

    from authserver.serving.admission import Hints

logger = logging.getLogger("authserver.serving")


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """What every worker of a server does."""

    make_app: Callable[[], WSGIApplication]
    stop_app: Callable[[WSGIApplication], None] | None
    hints: Callable[[WSGIApplication], Hints] | None
    listeners: list[socket.socket]
    threads: int
    limits: Limits


def work(task: WorkerTask, parent_lives: int, report: Connection) -> None:
    """Serve until SIGTERM, SIGINT or the parent's end.

    `report` gets one message: None once the worker accepts connections, or one line that says why it cannot start.
    `parent_lives` is the reading end of a pipe without any data: a read returns when the parent ends, even if killed.
    """
    give_back_freed_memory()
    threading.Thread(target=_stop_with_parent, args=(parent_lives,), daemon=True).start()
    try:
        application = task.make_app()
    except Exception as problem:
        logger.debug("The application could not be made", exc_info=True)
        report.send(" ".join(f"{type(problem).__name__}: {problem}".split()))
        return
    except SystemExit as problem:
        report.send(f"ended with {problem.code}")
        return
    hints = None if task.hints is None else task.hints(application)
    bridge = WSGIBridge(application, threads=task.threads, on_start=lambda: report.send(None), hints=hints)
    server = _Server(_config(bridge, task.limits))
    # uvicorn replaces these handlers while it runs. At its end it raises the signal again: these make that harmless.
    signal.signal(signal.SIGTERM, server.handle_exit)
    signal.signal(signal.SIGINT, server.handle_exit)
    parent = os.getppid()
    server.run(sockets=task.listeners)
    if task.stop_app is not None:
        task.stop_app(application)
    if os.getppid() != parent:  # the parent was killed, so it could not clean up
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start without sockets, and then take connections in our own way."""
        await super().startup(sockets=[])
        make_protocol = partial(
            cast("type[BoundedProtocol]", self.config.http_protocol_class),
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        self.servers = [Listener(each, make_protocol) for each in sockets or []]  # type: ignore[misc]


def _config(bridge: WSGIBridge, limits: Limits) -> uvicorn.Config:
    # By default uvicorn logs a line for each malformed request, so anyone could fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    protocol = type("Protocol", (BoundedProtocol,), {"limits": limits, "waiting": {}, "large": set()})
    return uvicorn.Config(
        bridge,
        http=protocol,
        loop="uvloop",
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=limits.keep_alive_timeout,
        timeout_graceful_shutdown=limits.grace,
    )


def _stop_with_parent(parent_lives: int) -> None:
    os.read(parent_lives, 1)
    os.kill(os.getpid(), signal.SIGTERM)
