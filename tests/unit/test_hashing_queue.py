"""Hashing waits in a bounded queue, in order, and shares its slots with other processes."""

import contextlib
import fcntl
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from authserver.passwords.hasher import HashingOverloaded
from authserver.passwords.pool import usable_cores
from tests.support.hashing import a_hasher, a_pool


@pytest.fixture
def slots(tmp_path: Path) -> Path:
    return tmp_path / "slots"


def hold_all_slots(slots: Path) -> contextlib.ExitStack:
    """Block every hasher of a directory from outside, as another process would, until closed."""
    files = contextlib.ExitStack()
    for path in slots.glob("slot-*"):
        fcntl.flock(files.enter_context(path.open("r+")), fcntl.LOCK_EX)
    return files


@contextlib.contextmanager
def open_hints(slots: Path) -> Iterator[Callable[[], bool]]:
    """Whether there is a hint that a slot is free, as another process would see it."""
    descriptor = os.open(slots / "freed", os.O_RDWR | os.O_NONBLOCK)
    try:
        yield lambda: bool(select.select([descriptor], [], [], 0)[0])
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def in_threads(*calls: Callable[[], object]) -> Iterator[list[threading.Thread]]:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.join(60)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in 60 s"
        time.sleep(0.001)


# --- how many at once --------------------------------------------------------------------------------------------------


def test_by_default_one_core_is_left_to_the_rest(slots: Path):
    assert a_pool(slots, capacity=None).capacity == max(1, usable_cores() - 1)


def test_a_full_queue_refuses_at_once_and_serves_who_waits(slots: Path):
    hasher = a_hasher(slots, queue=2)
    calls = [lambda: hasher.verify("x", None), lambda: hasher.hash("x")]
    with hold_all_slots(slots) as blocked, in_threads(*calls):
        until(lambda: hasher.pool.waiting == 2)
        assert hasher.pool.running == 0
        for call in calls:
            with pytest.raises(HashingOverloaded) as refusal:
                call()
            assert refusal.value.retry_after >= 1
        assert hasher.pool.refused_full == 2
        assert hasher.pool.waiting == 2
        blocked.close()
    assert hasher.pool.refused_late == 0
    assert (hasher.pool.waiting, hasher.pool.running) == (0, 0)


def test_a_slot_that_nobody_gives_back_blocks_nobody_for_ever(slots: Path):
    pool = a_pool(slots, patience=0.05)

    def come() -> None:
        with pytest.raises(HashingOverloaded), pool.slot():
            pytest.fail("there was no slot to be had")

    with hold_all_slots(slots):
        with in_threads(come, come, come):
            pass
        assert pool.refused_late == 3
        assert pool.waiting == 0
    with pool.slot():
        assert pool.running == 1


def test_waiting_takes_no_processor_time(slots: Path):
    pool = a_pool(slots, patience=1.0)
    for _ in range(1000):
        pool._slots.notify()  # unused hints must not keep the next waiter awake
    with hold_all_slots(slots):
        started = time.thread_time()
        with pytest.raises(HashingOverloaded), pool.slot():
            pass
    assert time.thread_time() - started < 0.1


def test_first_come_first_served(slots: Path):
    pool = a_pool(slots)
    served: list[int] = []

    def come(number: int) -> None:
        with pool.slot():
            served.append(number)

    with hold_all_slots(slots) as blocked, contextlib.ExitStack() as threads:
        for number in range(6):
            threads.enter_context(in_threads(lambda number=number: come(number)))
            until(lambda: pool.waiting == number + 1)  # noqa: B023  # called before the next round
        blocked.close()
    assert served == list(range(6))


def test_a_slot_is_given_back_when_the_work_fails(slots: Path):
    pool = a_pool(slots)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), pool.slot():
            _ = 1 / 0
    assert (pool.waiting, pool.running) == (0, 0)


def test_no_more_than_the_capacity_hash_at_once_in_one_process(slots: Path):
    pool = a_pool(slots, capacity=2, queue=64)
    inside: list[int] = []
    seen: list[int] = []

    def come() -> None:
        for _ in range(100):
            with pool.slot():
                inside.append(1)
                os.sched_yield()
                seen.append(len(inside))
                inside.pop()

    with in_threads(*[come] * 4):
        pass
    assert len(seen) == 400
    assert max(seen) <= 2
    assert (pool.waiting, pool.running) == (0, 0)


def test_every_slot_of_the_capacity_can_be_had(slots: Path):
    pool = a_pool(slots, capacity=3, patience=0.05)
    with pool.slot(), pool.slot(), pool.slot():
        assert pool.running == 3
        with pytest.raises(HashingOverloaded), pool.slot():
            pass


def test_a_slot_that_is_given_back_wakes_who_waits_in_another_process(slots: Path):
    pool = a_pool(slots)
    with open_hints(slots) as hinted:
        with pool.slot():
            assert not hinted()
        assert hinted()


def test_who_was_woken_wakes_the_next_as_several_slots_may_be_free(slots: Path):
    pool = a_pool(slots)
    inside, leave = threading.Event(), threading.Event()

    def come() -> None:
        with pool.slot():
            inside.set()
            leave.wait(60)

    with open_hints(slots) as hinted, hold_all_slots(slots) as blocked, in_threads(come):
        until(lambda: pool.waiting == 1)
        pool._slots.notify()
        until(lambda: not hinted())
        blocked.close()
        assert inside.wait(60)
        assert hinted()
        leave.set()


def test_all_slots_that_become_free_at_once_are_taken(slots: Path):
    pool = a_pool(slots, capacity=3)
    meeting = threading.Barrier(3)

    def come() -> None:
        with pool.slot():
            meeting.wait(60)

    with hold_all_slots(slots) as blocked, in_threads(come, come, come):
        until(lambda: pool.waiting == 3)
        blocked.close()
    assert not meeting.broken


def test_retry_after_is_the_time_that_the_queue_takes(slots: Path):
    pool = a_pool(slots, queue=3)
    pool._average_hash = 2.0

    def come() -> None:
        with pool.slot():
            pass

    with hold_all_slots(slots) as blocked, in_threads(come, come, come):
        until(lambda: pool.waiting == 3)
        with pytest.raises(HashingOverloaded) as refusal, pool.slot():
            pass
        assert refusal.value.retry_after == 6
        blocked.close()


def test_retry_after_knows_of_other_processes_by_how_long_a_stay_took(slots: Path):
    pool = a_pool(slots, patience=1.1)
    with hold_all_slots(slots), pytest.raises(HashingOverloaded) as refusal, pool.slot():
        pass
    assert refusal.value.retry_after == 2


@pytest.mark.parametrize("change", [{"capacity": 0}, {"queue": 0}, {"patience": 0.0}])
def test_a_pool_that_could_serve_nobody_is_not_made(slots: Path, change: dict[str, int]):
    with pytest.raises(ValueError, match="at least 1"):
        a_pool(slots, **change)
