"""How long a thread waits for the database, and what a process knows of its clock."""

import math
import time

from authserver.database import deadlines
from authserver.database.deadlines import Clock
from authserver.serving.presence import Presence, serve


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


def test_the_time_that_a_request_waited_for_its_thread_counts():
    serve(Presence(), 4)
    try:
        with deadlines.within(10):
            assert 5 < deadlines.left() <= 6
    finally:
        serve(Presence(), 0)
    with deadlines.within(10):
        assert deadlines.left() > 9


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
