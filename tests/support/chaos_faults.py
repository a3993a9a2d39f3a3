"""Servers, nodes and clocks that break in every way, one at a time. Each fault is a block: broken in it, whole after it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg

from tests.support.chaos_place import WORKERS, Place
from tests.support.forwarder import Forwarder
from tests.support.postgres import Cluster
from tests.support.stepped_clock import SteppedClock
from tests.support.wsgi_server import wait_for

#: The share of what a server sends that breaks the connection while connections are cut.
TORN = 0.1
#: Seconds of a small and of a large step of a clock.
SMALL, LARGE = 8, 120


@contextmanager
def worker_killed(place: Place) -> Iterator[None]:
    """One process of a node dies; the node starts another."""
    server = place.random.choice(place.nodes).server
    victim = place.random.choice(server.worker_pids())
    os.kill(victim, signal.SIGKILL)
    yield
    wait_for(lambda: victim not in (now := server.worker_pids()) and len(now) == WORKERS)
    wait_for(server.is_ready)


@contextmanager
def node_killed(place: Place) -> Iterator[None]:
    server = place.random.choice(place.nodes).server
    server.stop(signal.SIGKILL)
    yield
    server.start()


@contextmanager
def database_paused(place: Place) -> Iterator[None]:
    with place.cluster.stopped():
        yield


@contextmanager
def database_killed(place: Place) -> Iterator[None]:
    """All its processes die at once, and it is started again."""
    _kill(place.cluster)
    yield
    place.cluster.start()


@contextmanager
def database_connections_cut(place: Place) -> Iterator[None]:
    """Answers of the database end in their middle, and all connections are cut at the end."""
    with _torn([node.back for node in place.nodes]):
        yield


@contextmanager
def client_connections_cut(place: Place) -> Iterator[None]:
    """Answers of the nodes end in their middle, and all connections are cut at the end."""
    with _torn([node.front for node in place.nodes]):
        yield


@contextmanager
def disk_full(place: Place, *, for_its_log: bool = False) -> Iterator[None]:
    """The kernel says ENOSPC to each write of PostgreSQL that needs room. A server that ends over it is started again.

    `for_its_log`: the log has to grow too, and PostgreSQL has to end over it.
    """
    over = threading.Event()
    ballast = place.cluster.directory / "ballast"
    filling = threading.Thread(target=_fill, args=(ballast, over))
    filling.start()
    try:
        wait_for(lambda: _is_full(place.cluster))
        if for_its_log:
            wait_for(lambda: not _writes_log(place.cluster))
        yield
    finally:
        over.set()
        filling.join()
        ballast.unlink()
    wait_for(lambda: _is_up(place.cluster) or _has_ended(place.cluster))
    if not _is_up(place.cluster):
        _kill(place.cluster)
        place.cluster.start()


def disk_full_for_log(place: Place) -> AbstractContextManager[None]:
    return disk_full(place, for_its_log=True)


@contextmanager
def database_read_only(place: Place) -> Iterator[None]:
    place.cluster.set("default_transaction_read_only", "on")
    try:
        yield
    finally:
        place.cluster.set("default_transaction_read_only", "off")


def database_clock_stepped(seconds: int) -> Callable[[Place], AbstractContextManager[None]]:
    """Forward or back, and then back to the right time."""

    @contextmanager
    def stepped(place: Place) -> Iterator[None]:
        with _stepped(place, place.clock, seconds):
            yield

    return stepped


@contextmanager
def redis_restarted(place: Place) -> Iterator[None]:
    """The nodes count failures by themselves meanwhile."""
    place.redis.stop()
    try:
        yield
    finally:
        place.redis.start()


@contextmanager
def node_clock_stepped(place: Place) -> Iterator[None]:
    with _stepped(place, place.node_clock, LARGE):
        yield


#: What fills a disk needs a small one.
DISK_FULL = "the disk of the database full (ENOSPC)"
DISK_FULL_FOR_LOG = f"{DISK_FULL}, so that it ended"
#: By name. Those of `HARMLESS` may put off no request.
FAULTS: dict[str, Callable[[Place], AbstractContextManager[None]]] = {
    "a worker killed with -9": worker_killed,
    "a node killed with -9, and started": node_killed,
    "the database paused": database_paused,
    "the database killed with -9, and started": database_killed,
    "connections to the database cut in mid-answer": database_connections_cut,
    "connections of clients cut in mid-answer": client_connections_cut,
    DISK_FULL: disk_full,
    DISK_FULL_FOR_LOG: disk_full_for_log,
    "the database read-only": database_read_only,
    f"the database's clock {SMALL} s forward or back": database_clock_stepped(SMALL),
    f"the database's clock {LARGE} s forward or back": database_clock_stepped(LARGE),
}
HARMLESS: dict[str, Callable[[Place], AbstractContextManager[None]]] = {
    f"a node's clock {LARGE} s forward or back": node_clock_stepped,
    "Redis restarted": redis_restarted,
}


# --- How --------------------------------------------------------------------------------------------------------------


@contextmanager
def _torn(forwarders: list[Forwarder]) -> Iterator[None]:
    for one in forwarders:
        one.torn = TORN
    try:
        yield
    finally:
        for one in forwarders:
            one.torn = 0.0
            one.cut()


@contextmanager
def _stepped(place: Place, clock: SteppedClock, seconds: int) -> Iterator[None]:
    clock.step(place.random.choice((-seconds, seconds)))
    try:
        yield
    finally:
        clock.step(0)


def _kill(cluster: Cluster) -> None:
    """Kill it as if its machine lost power: files that name its process say nothing afterwards."""
    processes: list[int] = []
    with contextlib.suppress(OSError):
        processes = cluster.processes()
        cluster.kill()
    wait_for(lambda: not any(_is_running(process) for process in processes))
    for lock in (cluster.directory / "data" / "postmaster.pid", *cluster.directory.glob(".s.PGSQL.*.lock")):
        lock.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    """Whether it is there, and more than an entry that its parent has not read."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def _fill(ballast: Path, over: threading.Event) -> None:
    """Take all room until it is over, also what the server gives back."""
    with ballast.open("ab", buffering=0) as file:
        while not over.is_set():
            try:
                file.write(bytes(1 << 16))
            except OSError:
                time.sleep(0.01)


def _is_full(cluster: Cluster) -> bool:
    try:
        with psycopg.connect(cluster.admin_url, autocommit=True) as connection:
            connection.execute("CREATE TEMPORARY TABLE room AS SELECT generate_series(1, 200000)")
    except psycopg.errors.DiskFull:
        return True
    except psycopg.Error:  # the server may have died over it
        return not _is_up(cluster)
    return False


def _writes_log(cluster: Cluster) -> bool:
    """Write something into the log, and begin its next segment."""
    try:
        with psycopg.connect(cluster.admin_url, autocommit=True) as connection:
            connection.execute("SELECT pg_logical_emit_message(true, '', ''), pg_switch_wal()")
    except psycopg.Error:
        return False
    return True


def _is_up(cluster: Cluster) -> bool:
    try:
        psycopg.connect(cluster.admin_url).close()
    except psycopg.Error:
        return False
    return True


def _has_ended(cluster: Cluster) -> bool:
    return not (cluster.directory / "data" / "postmaster.pid").exists()
