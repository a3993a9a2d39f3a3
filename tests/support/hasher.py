"""Blocks the password hashing of every process on a setup from outside, like a process that keeps all slots."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from flask import Flask

from authserver.passwords.pool import HashingPool
from tests.support.setup import Setup

#: Seconds until a test gives up. It is not a measure of speed.
PATIENCE = 60


@contextmanager
def blocked_hasher(setup: Setup) -> Iterator[Callable[[], None]]:
    """Block all hashing until the block ends, or until the yielded function is called. Start the server before."""
    slots = sorted((setup.directory / f"authserver-{os.getuid()}").glob("slot-*"))
    assert slots, "no server has made its slots yet"
    with ExitStack() as files:
        for slot in slots:
            fcntl.flock(files.enter_context(slot.open("r+")), fcntl.LOCK_EX)
        yield files.close


def pool_of(app: Flask) -> HashingPool:
    """The hashing pool of an application in this process."""
    pool: HashingPool = app.extensions["authserver"].hasher.pool
    return pool


def make_patient(app: Flask) -> None:
    """Let sign-ins wait as long as a test blocks the hasher. The server's 5 seconds are too short on a slow machine."""
    pool_of(app).patience = PATIENCE


def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition that other threads or processes bring about; fails if it does not come true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        threading.Event().wait(0.002)


def waiting_for_locks(setup: Setup) -> int:
    """How many statements of the setup's PostgreSQL database wait for a row that another transaction holds."""
    waiting = "datname = current_database() AND wait_event_type = 'Lock'"
    return int(setup.sql(f"SELECT count(*) AS n FROM pg_stat_activity WHERE {waiting}")[0].n)
