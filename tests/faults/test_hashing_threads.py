"""Passwords are hashed by threads that make room for all others of the machine."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from authserver.passwords.hasher import PasswordHasher
from authserver.passwords.pool import usable_cores
from authserver.passwords.threads import HashingThreads
from tests.support.hashing import a_hasher
from tests.support.oauth import OAuth
from tests.support.server import LiveServer
from tests.support.setup import Setup


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.fixture
def hasher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[PasswordHasher, list[int]]:
    """A hasher, and the niceness of the threads in which it has compared passwords."""
    made = a_hasher(tmp_path / "slots", concurrency=2)
    seen: list[int] = []
    matches = made._argon2id.matches

    def watched(secret: bytes, encoded: str) -> bool:
        seen.append(niceness())
        return matches(secret, encoded)

    monkeypatch.setattr(made._argon2id, "matches", watched)
    return made, seen


def test_only_the_thread_that_hashes_makes_room(hasher: tuple[PasswordHasher, list[int]]):
    made, seen = hasher
    before = niceness()
    encoded = made.hash("the password")
    assert made.verify("the password", encoded).matches
    assert not made.verify("another password", encoded).matches
    assert seen == [min(before + 10, 19)] * 2
    assert niceness() == before


def test_there_are_no_more_threads_than_hashes_at_once():
    threads, here = HashingThreads(2), threading.Barrier(2)

    def work() -> int:
        here.wait(60)
        return threading.get_native_id()

    with ThreadPoolExecutor(6) as callers:
        used = {caller.result() for caller in [callers.submit(threads.run, work) for _ in range(6)]}
    assert len(used) == 2


def test_a_failure_reaches_the_caller_and_leaves_the_thread():
    threads = HashingThreads(1)
    with pytest.raises(ZeroDivisionError):
        threads.run(lambda: 1 / 0)
    assert threads.run(lambda: "goes on") == "goes on"


def test_a_child_has_threads_of_its_own(hasher: tuple[PasswordHasher, list[int]]):
    made, _ = hasher
    encoded = made.hash("the password")  # the parent's threads run
    child = os.fork()
    if child == 0:
        os._exit(0 if made.verify("the password", encoded).matches else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_in_a_live_server_the_threads_of_requests_keep_their_priority(live: LiveServer, setup: Setup):
    person, app = setup.a_person(), setup.an_app()
    for _ in range(20):  # each over a connection of its own: both workers hash
        with live.http() as http:
            assert OAuth(http, app).sign_in(person).status_code == 200
    own = os.getpriority(os.PRIO_PROCESS, os.getpid())
    made_room = 0
    for worker in live.worker_pids():
        threads = [int(task.name) for task in Path(f"/proc/{worker}/task").iterdir()]
        nice = [os.getpriority(os.PRIO_PROCESS, thread) for thread in threads]
        assert nice.count(own) + nice.count(own + 10) == len(nice)
        assert nice.count(own) > 10, "the loop and the threads of requests"
        assert nice.count(own + 10) <= max(1, usable_cores() - 1)
        made_room += nice.count(own + 10)
    assert made_room > 0
