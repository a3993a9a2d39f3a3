"""Serve a WSGI application from several processes, without a proxy in front (docs/decisions/wsgi-server.md).

The parent holds the listening sockets and watches the workers; it never makes the application, so no engine, thread or
key is shared over a fork.
"""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from authserver.serving.limits import Limits
from authserver.serving.listening import CannotListen, listen, urls_of
from authserver.serving.worker import WorkerTask, work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.process import BaseProcess
    from wsgiref.types import WSGIApplication

    from authserver.serving.admission import Hints

logger = logging.getLogger("authserver.serving")
FORK = multiprocessing.get_context("fork")
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
MAX_DELAY = 10.0  # most seconds before a worker that keeps dying is started again


def run(  # noqa: PLR0913 - one call with everything that can be set
    make_app: Callable[[], WSGIApplication],
    *,
    stop_app: Callable[[WSGIApplication], None] | None = None,
    hints: Callable[[WSGIApplication], Hints] | None = None,
    host: str,
    port: int,
    workers: int,
    threads: int,
    max_body_bytes: int,
    large_bodies: Mapping[str, int] | None = None,
    on_ready: Callable[[str], None] | None = None,
    request_timeout: float = 30.0,
    grace: int = 30,
) -> int:
    """Serve until SIGTERM or SIGINT and return the exit status. Must be called in the main thread.

    Each worker calls `make_app` after the fork, and after its last request gives the application to `stop_app`.
    prometheus_client is switched to its multiprocess mode for the workers: make metrics inside `make_app`, and collect
    them with `multiprocess.MultiProcessCollector`. `host` is one address or several with commas in between. Once all
    workers answer, `on_ready` gets their URLs, with the real port where `port` is 0.

    `hints` tells which requests of an application wait for nothing. Some threads are kept free for these; without it for
    none.

    `large_bodies` has paths with a bound of their own, above `max_body_bytes`. A worker reads few of them at once.

    A client has `request_timeout` seconds to send a request, and requests in flight have `grace` seconds to end. A
    problem that keeps the server from starting is one line on stderr and status 1.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    try:
        listeners = listen(host, port)
    except CannotListen as problem:
        sys.stderr.write(f"authserver: {problem}\n")
        return 1
    limits = Limits(
        max_body_bytes=max_body_bytes,
        large_bodies=large_bodies or {},
        max_connections=_raise_connection_limit(),
        request_timeout=request_timeout,
        grace=grace,
    )
    task = WorkerTask(make_app, stop_app, hints, listeners, threads, limits)
    # Workers share the memory of what is imported. The garbage collector of a worker writes into every object that it
    # looks at, and so would make a copy of 25 MiB.
    gc.collect()
    gc.freeze()
    with contextlib.ExitStack() as opened, _shared_metrics():
        for listener in listeners:
            opened.enter_context(listener)
        problem_at_start = _Supervisor(task, workers, on_ready).run()
    if problem_at_start is None:
        return 0
    sys.stderr.write(f"authserver: cannot start: {problem_at_start}\n")
    return 1


def _raise_connection_limit() -> int:
    """Raise the limit of open files as far as allowed, and leave a quarter of it to the application."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return min(8192, allowed * 3 // 4)


@contextlib.contextmanager
def _shared_metrics() -> Iterator[None]:
    """Give prometheus_client a private directory to share figures in; it is in memory where that is possible."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a fresh directory inside, mode 0700
    with tempfile.TemporaryDirectory(prefix="authserver-metrics-", dir=memory) as directory:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
        # The library chooses its mode at import. That is too early if the command line has imported it already.
        if (values := sys.modules.get("prometheus_client.values")) is not None:
            vars(values)["ValueClass"] = values.get_value_class()
            _share_present_metrics()
        try:
            yield
        finally:
            del os.environ["PROMETHEUS_MULTIPROC_DIR"]


def _share_present_metrics() -> None:
    """Give metrics without labels another value. They made one at import, and each process would have that for itself."""
    from prometheus_client import REGISTRY  # noqa: PLC0415 - only after its directory is known
    from prometheus_client.metrics import MetricWrapperBase  # noqa: PLC0415

    for metric in set(vars(REGISTRY)["_names_to_collectors"].values()):
        if isinstance(metric, MetricWrapperBase) and not metric._labelnames:  # noqa: SLF001 - nothing public says it
            metric._metric_init()  # type: ignore[no-untyped-call]  # noqa: SLF001


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    report: Connection
    started: float
    ready: bool = False
    problem: str | None = None


class _Supervisor:
    """Starts the workers, starts them again when they die, and stops them."""

    def __init__(self, task: WorkerTask, count: int, on_ready: Callable[[str], None] | None) -> None:
        self._task = task
        self._count = count
        self._on_ready = on_ready
        self._urls = urls_of(task.listeners)
        self._workers: list[_Worker] = []
        self._was_ready = False
        self._problem: str | None = None
        self._stopping = False
        self._delay = 0.0
        self._next_start = 0.0
        self._parent_lives, self._parent_end = os.pipe()

    def run(self) -> str | None:
        """Serve until told to stop; return what made serving impossible, if anything did."""
        with self._signals() as woken:
            while not self._stopping and self._problem is None:
                if len(self._workers) < self._count and time.monotonic() >= self._next_start:
                    self._start()
                else:
                    self._wait(woken)
            self._stop()
        os.close(self._parent_lives)
        os.close(self._parent_end)
        return self._problem

    @contextlib.contextmanager
    def _signals(self) -> Iterator[Connection]:
        """Turn SIGTERM and SIGINT into a flag and a readable pipe."""

        def stop(*_: object) -> None:
            self._stopping = True

        woken, wake = multiprocessing.Pipe(duplex=False)
        os.set_blocking(wake.fileno(), False)
        before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
        descriptor = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        try:
            with woken, wake:
                yield woken
        finally:
            signal.set_wakeup_fd(descriptor)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _start(self) -> None:
        report, to_parent = FORK.Pipe(duplex=False)
        process = FORK.Process(target=self._in_worker, args=(to_parent,), daemon=False)
        # Block signals over the fork: the child must not take one while it still has the parent's handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        to_parent.close()
        self._workers.append(_Worker(process, report, time.monotonic()))

    def _in_worker(self, report: Connection) -> None:
        signal.set_wakeup_fd(-1)
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        os.close(self._parent_end)
        work(self._task, self._parent_lives, report)

    def _wait(self, woken: Connection) -> None:
        reports = [worker.report for worker in self._workers if not worker.ready and worker.problem is None]
        ends = [worker.process.sentinel for worker in self._workers]
        pause = max(0.0, self._next_start - time.monotonic()) if len(self._workers) < self._count else None
        events = wait([woken, *reports, *ends], pause)
        for worker in list(self._workers):
            if worker.report in events:
                self._read_report(worker)
            elif worker.process.sentinel in events:
                self._remove_ended(worker)
        if not self._was_ready and len(self._workers) == self._count and all(w.ready for w in self._workers):
            self._was_ready = True
            if self._on_ready is not None:
                self._on_ready(self._urls)

    def _read_report(self, worker: _Worker) -> None:
        try:
            worker.problem = worker.report.recv()
        except EOFError:
            worker.problem = "a worker ended while it was starting"
        worker.ready = worker.problem is None

    def _remove_ended(self, worker: _Worker) -> None:
        worker.process.join()
        worker.report.close()
        self._workers.remove(worker)
        if worker.process.pid is not None and "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            from prometheus_client import multiprocess  # noqa: PLC0415 - only after its directory is known

            multiprocess.mark_process_dead(worker.process.pid)  # type: ignore[no-untyped-call]
        if not worker.ready and not self._was_ready:
            # The server has never worked: report the problem and end, instead of trying for ever. A server that has
            # worked tries again: workers and the database may die together, and clients come back.
            self._problem = worker.problem
            return
        at_once = time.monotonic() - worker.started < MAX_DELAY
        self._delay = min(MAX_DELAY, max(0.1, self._delay * 2)) if at_once else 0.0
        self._next_start = time.monotonic() + self._delay
        reason = worker.problem or f"status {worker.process.exitcode}"
        logger.error("A worker ended (%s); another starts in %.1f s", reason, self._delay)

    def _stop(self) -> None:
        for listener in self._task.listeners:
            listener.close()
        for worker in self._workers:
            worker.process.terminate()
        deadline = time.monotonic() + self._task.limits.grace + 5
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                logger.error("A worker did not stop in time and was killed")
                worker.process.kill()
                worker.process.join()
