"""The machine's hashing slots under real processes, which are killed, stopped, forked, and many at once."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from authserver.passwords.hasher import HashingOverloaded
from authserver.passwords.pool import HashingPool

PREAMBLE = """
import fcntl, os, sys, threading
from pathlib import Path
from authserver.passwords.pool import HashingOverloaded, HashingPool
slots, capacity, argument = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
pool = HashingPool(slots, capacity=capacity, queue=64, patience=60)
def say(text):
    print(text, flush=True)
def hear():
    return sys.stdin.readline()
"""

HOLD = """
with pool.slot():
    say("held")
    hear()
"""

# Each holder of a slot also locks a witness file. More holders than slots would find all witnesses taken.
MANY_THREADS = """
def come():
    files = [os.open(f"{argument}-{number}", os.O_RDWR | os.O_CREAT, 0o600) for number in range(capacity)]
    for _ in range(50):
        with pool.slot():
            for file in files:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                os.sched_yield()
                fcntl.flock(file, fcntl.LOCK_UN)
                break
            else:
                say("too many")
threads = [threading.Thread(target=come) for _ in range(4)]
say("ready")
hear()
for thread in threads: thread.start()
for thread in threads: thread.join()
say("done")
"""

# Threads that ask again and again. A line with a number asks for the count of served calls when it is that high.
STORM = """
import argon2
hasher = argon2.PasswordHasher(time_cost=2, memory_cost=8192, parallelism=1)
served, changed = [], threading.Condition()
def come():
    while True:
        with pool.slot():
            hasher.hash("x")
        with changed:
            served.append(1)
            changed.notify()
for _ in range(int(argument)):
    threading.Thread(target=come, daemon=True).start()
while line := hear():
    with changed:
        changed.wait_for(lambda: len(served) >= int(line))
        say(len(served))
"""

# Forks a child while one thread holds the slot, a second one waits, and the queue's lock is taken.
FORK = """
held, let_go = threading.Event(), threading.Event()
def hold():
    with pool.slot():
        held.set()
        let_go.wait(60)
holder = threading.Thread(target=hold)
holder.start()
held.wait(60)
pool._changed.acquire()
child = os.fork()
if child == 0:
    say(f"child {pool.waiting} {pool.running}")
    pool.patience = 0.3
    try:
        with pool.slot(): say("child has the slot of its parent")
    except HashingOverloaded:
        say("child waits")
    pool.patience = 60
    with pool.slot():
        say("child held")
        hear()
    os._exit(0)
pool._changed.release()
threading.Event().wait(60) if argument == "stay" else None
"""


class Process:
    """A Python process with a pool of its own. The test exchanges lines with it."""

    def __init__(self, script: str, slots: Path, capacity: int, argument: str = "") -> None:
        command = [sys.executable, "-W", "ignore", "-c", PREAMBLE + script, str(slots), str(capacity), argument]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def hear(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def say(self, text: str = "go on") -> None:
        assert self._process.stdin
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait(60)

    def end(self) -> None:
        self.signal(signal.SIGKILL)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


class Processes:
    """Starts processes on one directory of slots, and ends them all with the test."""

    def __init__(self, slots: Path) -> None:
        self.slots = slots
        self._processes: list[Process] = []

    def start(self, script: str, *, capacity: int = 1, argument: str = "") -> Process:
        self._processes.append(Process(script, self.slots, capacity, argument))
        return self._processes[-1]

    def end(self) -> None:
        for process in self._processes:
            process.end()


@pytest.fixture
def slots(tmp_path: Path) -> Path:
    return tmp_path / "slots"


@pytest.fixture
def processes(slots: Path) -> Iterator[Processes]:
    processes = Processes(slots)
    yield processes
    processes.end()


def refused(pool: HashingPool) -> bool:
    """Whether the pool has no free slot within a moment."""
    patience, pool.patience = pool.patience, 0.05
    try:
        with pool.slot():
            return False
    except HashingOverloaded:
        return True
    finally:
        pool.patience = patience


def test_kill_9_of_the_holder_leaks_no_slot(slots: Path, processes: Processes):
    pool = HashingPool(slots, capacity=2, queue=8, patience=60)
    for _ in range(3):
        holders = [processes.start(HOLD, capacity=2) for _ in range(2)]
        assert [holder.hear() for holder in holders] == ["held", "held"]
        assert refused(pool)
        for holder in holders:
            holder.signal(signal.SIGKILL)
        with pool.slot(), pool.slot():
            assert pool.running == 2


def test_kill_9_of_the_holder_wakes_who_waits(processes: Processes):
    holder = processes.start(HOLD)
    assert holder.hear() == "held"
    waiting = processes.start(HOLD)
    holder.signal(signal.SIGKILL)
    assert waiting.hear() == "held"


def test_kill_9_of_who_waits_keeps_the_slot_for_others(slots: Path, processes: Processes):
    pool = HashingPool(slots, capacity=1, queue=8, patience=60)
    with pool.slot():
        waiting = [processes.start(f"say('waits')\n{HOLD}") for _ in range(2)]
        assert [process.hear() for process in waiting] == ["waits", "waits"]
        waiting[0].signal(signal.SIGKILL)
    assert waiting[1].hear() == "held"


def test_a_stopped_holder_blocks_nobody_for_ever(slots: Path, processes: Processes):
    holder = processes.start(HOLD)
    assert holder.hear() == "held"
    holder.signal(signal.SIGSTOP)
    pool = HashingPool(slots, capacity=1, queue=8, patience=0.3)
    with pytest.raises(HashingOverloaded), pool.slot():
        pass
    assert pool.refused_late == 1
    holder.signal(signal.SIGCONT)
    holder.say()
    pool.patience = 60
    with pool.slot():
        assert pool.running == 1


@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_many_processes_never_hold_more_than_the_capacity(tmp_path: Path, processes: Processes, capacity: int):
    started = [processes.start(MANY_THREADS, capacity=capacity, argument=str(tmp_path / "witness")) for _ in range(4)]
    assert [process.hear() for process in started] == ["ready"] * 4
    for process in started:
        process.say()
    assert [process.hear() for process in started] == ["done"] * 4


def test_a_storm_on_one_worker_leaves_another_its_share(processes: Processes):
    big, small = processes.start(STORM, argument="16"), processes.start(STORM, argument="2")

    def served(process: Process, *, at_least: int = 0) -> int:
        process.say(str(at_least))
        return int(process.hear())

    by_big, by_small = served(big, at_least=5), served(small, at_least=5)
    served(big, at_least=by_big + 200)
    # Shared by threads, the small process would get about 25 meanwhile. Shared by processes, it gets about 200.
    assert served(small) - by_small > 50


def test_a_forked_child_has_neither_the_slots_nor_the_queue_of_its_parent(processes: Processes):
    parent = processes.start(FORK, argument="stay")
    assert parent.hear() == "child 0 0"
    assert parent.hear() == "child waits"
    parent.signal(signal.SIGKILL)  # its child lives on, and does not keep the lock
    assert parent.hear() == "child held"
    parent.say()
