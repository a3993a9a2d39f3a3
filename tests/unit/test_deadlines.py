"""How long a thread waits for the database, what a process knows of its clock, and when it was silent."""

import math
import time

from authserver.database import deadlines
from authserver.database.deadlines import Clock, Silences


def test_an_inner_block_never_lasts_longer_than_the_outer_one():
    assert deadlines.left() == math.inf
    with deadlines.within(10):
        outer = deadlines.until()
        with deadlines.within(60):
            assert deadlines.until() == outer
        with deadlines.within(1):
            assert deadlines.until() < outer
        assert deadlines.until() == outer
    assert deadlines.left() == math.inf


def test_time_that_is_not_spent_on_the_database_does_not_count():
    with deadlines.within(10):
        before = deadlines.until()
        with deadlines.paused():
            time.sleep(0.01)
        assert deadlines.until() >= before + 0.01


def test_a_clock_that_knows_nothing_lets_no_write_through():
    assert Clock().at(time.monotonic() + 10) == 0


def test_a_clock_learns_a_step_of_the_database_from_a_reader_who_found_it_wrong():
    clock, asked_at = Clock(), time.monotonic()
    clock.learn(1_000_000, asked_at)
    assert clock.at(asked_at + 2) == 1_002_000
    slow = asked_at - 5  # the answer took 5 s
    clock.learn(5_000_000, slow)
    assert clock.at(asked_at + 2) == 1_002_000, "such an answer says too little"
    clock.learn(5_000_000, slow, surely=True)
    assert clock.at(slow) == 5_000_000


def test_a_silence_lasts_from_the_first_failure_to_the_next_write():
    clock, silences = Clock(), Silences(timeout=0.01)
    clock.learn(0, time.monotonic())
    silences.note_write()
    assert silences.since(0, clock) == 0
    time.sleep(0.05)
    silences.note_failure()
    began = clock.at(time.monotonic())
    silences.note_failure()
    time.sleep(0.05)
    assert silences.since(0, clock) >= 50, "it counts while it lasts"
    silences.note_write()
    ended = clock.at(time.monotonic())
    silences.note_write()
    assert 50 <= silences.since(0, clock) <= ended - began + 10 + 1
    assert silences.since(ended, clock) == 0, "what happened after it is not older than it seems"


def test_many_short_failures_do_not_drop_a_long_silence():
    clock, silences = Clock(), Silences(timeout=0.01)
    clock.learn(0, time.monotonic())
    silences.note_failure()
    time.sleep(0.05)
    silences.note_write()
    for _ in range(200):
        silences.note_failure()
        silences.note_write()
    assert silences.since(0, clock) >= 50
