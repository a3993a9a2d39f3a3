"""Passwords are verified and hashed at equal cost, within a bounded queue, in a private directory."""

import contextlib
import fcntl
import os
import select
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import argon2
import pytest

from authserver.passwords.hasher import HashingDirectoryRefused, HashingOverloaded, PasswordHasher
from authserver.passwords.pool import HashingPool, usable_cores

PASSWORD = "correct horse battery staple"
UNREADABLE = [
    "",
    "plain text",
    "$argon2id$",
    "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
    "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
    "$argon2id$v=19$m=64,t=1,p=1$ä$ö",
    "\ud800",
    "$2b$12$abcdefghijklmnopqrstuv",
]


@pytest.fixture
def slots(tmp_path: Path) -> Path:
    return tmp_path / "slots"


def a_hasher(slots: Path, **changes: Any) -> PasswordHasher:
    cheap = {"memory_kib": 64, "time_cost": 1, "parallelism": 1, "concurrency": 1, "queue": 8, "patience": 60.0}
    return PasswordHasher(slots, **{**cheap, **changes})


def a_pool(slots: Path, **changes: Any) -> HashingPool:
    return HashingPool(slots, **{"capacity": 1, "queue": 8, "patience": 60.0, **changes})


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


# --- what matches ------------------------------------------------------------------------------------------------------


def test_the_right_password_matches_and_nothing_is_rehashed(slots: Path):
    hasher = a_hasher(slots)
    verification = hasher.verify(PASSWORD, hasher.hash(PASSWORD))
    assert verification.matches
    assert verification.rehashed is None


def test_a_wrong_password_and_an_unknown_user_do_not_match(slots: Path):
    hasher = a_hasher(slots)
    assert not hasher.verify("wrong", hasher.hash(PASSWORD)).matches
    assert not hasher.verify(PASSWORD, None).matches


def test_hashes_are_argon2id_with_a_salt_of_their_own(slots: Path):
    hasher = a_hasher(slots)
    one, other = hasher.hash(PASSWORD), hasher.hash(PASSWORD)
    assert one.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert one != other


def test_composed_and_decomposed_passwords_differ(slots: Path):
    hasher = a_hasher(slots)
    assert not hasher.verify("e\u0301" * 8, hasher.hash("\u00e9" * 8)).matches


@pytest.mark.parametrize("change", [{"memory_kib": 128}, {"time_cost": 2}, {"memory_kib": 8}])
def test_a_password_is_rehashed_at_sign_in_when_the_setting_changed(slots: Path, change: dict[str, int]):
    old, new = a_hasher(slots), a_hasher(slots, **change)
    verification = new.verify(PASSWORD, old.hash(PASSWORD))
    assert verification.matches
    assert verification.rehashed is not None
    again = new.verify(PASSWORD, verification.rehashed)
    assert again.matches
    assert again.rehashed is None


def test_a_wrong_password_is_never_rehashed(slots: Path):
    verification = a_hasher(slots, time_cost=2).verify("wrong", a_hasher(slots).hash(PASSWORD))
    assert not verification.matches
    assert verification.rehashed is None


@pytest.mark.parametrize("stored", UNREADABLE)
def test_an_unreadable_hash_matches_nothing_and_is_logged_without_its_text(
    slots: Path, caplog: pytest.LogCaptureFixture, stored: str
):
    hasher = a_hasher(slots)
    assert not hasher.verify(PASSWORD, stored).matches
    (record,) = caplog.records
    assert "cannot be read" in record.getMessage()
    assert record.exc_info is None
    assert PASSWORD not in record.getMessage()
    assert not stored or stored not in record.getMessage()
    assert hasher.pool.running == 0


@pytest.mark.parametrize("password", ["", "\0" * 8, "\ud800" * 8, "x" * 100_000])
def test_no_password_breaks_the_hasher(slots: Path, password: str):
    hasher = a_hasher(slots)
    assert hasher.verify(password, hasher.hash(password)).matches
    assert not hasher.verify(password, None).matches


# --- what it costs -----------------------------------------------------------------------------------------------------


def test_the_hash_for_unknown_users_has_the_shape_of_a_real_one(slots: Path):
    hasher = a_hasher(slots, memory_kib=128, time_cost=3)
    assert argon2.extract_parameters(hasher._dummy_hash) == argon2.extract_parameters(hasher.hash(PASSWORD))
    assert len(hasher._dummy_hash) == len(hasher.hash(PASSWORD))
    assert hasher._dummy_hash != a_hasher(slots, memory_kib=128, time_cost=3)._dummy_hash


def test_an_unknown_user_and_an_unreadable_hash_cost_what_a_wrong_password_costs(slots: Path):
    hasher = a_hasher(slots, memory_kib=8192, time_cost=2)
    stored = hasher.hash(PASSWORD)

    def cost(encoded: str | None) -> float:
        started = time.thread_time()
        hasher.verify("wrong", encoded)
        return time.thread_time() - started

    rounds = [(cost(stored), cost(None), cost("unreadable")) for _ in range(15)]
    wrong, unknown, unreadable = (statistics.median(figures) for figures in zip(*rounds, strict=True))
    assert 0.6 < unknown / wrong < 1.6
    assert 0.6 < unreadable / wrong < 1.6


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
        pool._slots.notify()  # hints that nobody wanted must not keep awake who comes next
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


# --- the directory -----------------------------------------------------------------------------------------------------


def test_the_directory_is_made_private(tmp_path: Path):
    slots = tmp_path / "new" / "slots"
    a_pool(slots, capacity=3)
    assert slots.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in slots.iterdir()) == ["freed", "slot-0", "slot-1", "slot-2"]


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o1777])
def test_a_directory_that_others_may_enter_is_refused(slots: Path, mode: int):
    slots.mkdir()
    slots.chmod(mode)
    with pytest.raises(HashingDirectoryRefused, match=f"mode {mode:04o}.*mode 0700"):
        a_pool(slots)


def test_a_directory_of_another_user_is_refused(slots: Path):
    slots.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(slots, 4711, -1)
    else:
        slots = Path("/")
    with pytest.raises(HashingDirectoryRefused, match=f"needs? owner {os.geteuid()}"):
        a_pool(slots)


def test_a_link_or_a_file_in_place_of_the_directory_is_refused(slots: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    slots.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HashingDirectoryRefused, match="link"):
        a_pool(slots)
    slots.unlink()
    slots.touch()
    with pytest.raises(HashingDirectoryRefused, match="no directory"):
        a_pool(slots)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_link_in_place_of_a_slot_is_refused(slots: Path, tmp_path: Path):
    slots.mkdir(mode=0o700)
    (slots / "slot-0").symlink_to(tmp_path / "victim")
    with pytest.raises(HashingDirectoryRefused, match="cannot be opened"):
        a_pool(slots)
    assert not (tmp_path / "victim").exists()


def test_a_file_in_place_of_the_fifo_is_refused(slots: Path):
    slots.mkdir(mode=0o700)
    (slots / "freed").touch()
    with pytest.raises(HashingDirectoryRefused, match="no FIFO"):
        a_pool(slots)


def test_a_directory_that_cannot_be_made_is_refused_with_the_reason():
    with pytest.raises(HashingDirectoryRefused, match=r"/proc/nowhere/slots: .*mode 0700"):
        a_pool(Path("/proc/nowhere/slots"))


def test_a_pool_that_is_gone_leaves_no_descriptor_open(slots: Path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        a_pool(slots)
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 10
