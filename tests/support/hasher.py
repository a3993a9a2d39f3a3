"""Blocks the password hashing of every process on a stage, from outside, as a process that keeps all slots would."""

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
from tests.support.stage import Stage

#: Seconds: does it happen at all? Never a figure of speed.
PATIENCE = 60


@contextmanager
def blocked_hasher(stage: Stage) -> Iterator[Callable[[], None]]:
    """Let nobody hash until the block ends, or until what it yields is called. The server has to have been started."""
    slots = sorted((stage.directory / f"authserver-{os.getuid()}").glob("slot-*"))
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
    """Let sign-ins wait for as long as a test blocks the hasher: the server's 5 seconds are soon over on a slow machine."""
    pool_of(app).patience = PATIENCE


def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition that other threads or processes bring about; fails when it does not come."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        threading.Event().wait(0.002)


def waiting_for_locks(stage: Stage) -> int:
    """How many statements of the stage's PostgreSQL database wait for a row that another transaction holds."""
    waiting = "datname = current_database() AND wait_event_type = 'Lock'"
    return int(stage.sql(f"SELECT count(*) AS n FROM pg_stat_activity WHERE {waiting}")[0].n)
