"""Parallel guesses that are counted in Redis, in threads, in processes and over a fork: no more than the rule allows."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from authserver.settings.values import ThrottlingSettings
from authserver.throttling.counters import Charges
from authserver.throttling.local import LocalCounters
from authserver.throttling.policy import Kind, Rules
from authserver.throttling.slots import Slot, Slots
from authserver.throttling.stores import open_counters
from tests.support.at_once import processes_at_once, threads_at_once
from tests.support.redis_server import RedisServer
from tests.support.setup import Setup

PREPARE = """
import json, os
from flask import Flask
from authserver.database.engine import open_database
from authserver.throttling.counters import Charges
from authserver.throttling.local import LocalCounters
from authserver.throttling.policy import Kind, Rules
from authserver.throttling.slots import Slot, Slots
from authserver.throttling.stores import open_counters
database = open_database(Flask("guess"), settings)
counters = open_counters(settings, database, Rules.of(settings.throttling), Slots(bytes(32)))
counters.refund(Charges(((Kind.PLACE, Slot(7, 7)),)), clear=True, end=False)
"""
ACT = """
os.fork()  # the connection of the parent is not the child's
taken = sum(counters.charge(Charges(((Kind.PLACE, Slot(n % 2, 1)),), Slot(n % 2, 1))) is None for n in range(25))
assert not counters.is_away
print(json.dumps(taken))
"""


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def counting(setup: Setup, redis: RedisServer, **changes: int) -> Setup:
    setup.settings = setup.with_settings(
        throttling=ThrottlingSettings(longest_delay=3600, store=SecretStr(redis.url), **changes)
    )
    return setup


def failures(redis: RedisServer) -> int:
    """Those in a row, of all accounts."""
    return sum(int(row.split()[3]) for row in redis.rows().values())


def test_parallel_guesses_in_threads_get_no_more_tries_than_the_rule_says(setup: Setup, redis: RedisServer):
    settings = counting(setup, redis).settings
    counters = open_counters(settings, setup.database, Rules.of(settings.throttling), Slots(bytes(32)))
    attempt = Charges(((Kind.ADDRESS, Slot(1, 1)), (Kind.PLACE, Slot(1, 1))), Slot(1, 1))
    taken = [delay is None for delay in threads_at_once(*[lambda: counters.charge(attempt)] * 16)]
    assert sum(taken) == failures(redis)
    assert 10 <= sum(taken) <= 13, "ten are free, and a slow machine needs a second or two"


def test_threads_of_a_process_that_counts_for_itself_get_no_more_tries_either():
    counters = LocalCounters(Rules.of(ThrottlingSettings()), clock=lambda: 1_000_000)
    attempt = Charges(((Kind.ADDRESS, Slot(1, 1)), (Kind.PLACE, Slot(1, 1))), Slot(1, 1))
    assert [delay is None for delay in threads_at_once(*[lambda: counters.charge(attempt)] * 16)].count(True) == 10


def test_parallel_guesses_of_many_processes_get_no_more_tries_than_the_rule_says(setup: Setup, redis: RedisServer):
    settings = counting(setup, redis).settings
    printed = processes_at_once(PREPARE, ACT, count=2, settings=settings)
    taken = [json.loads(line) for text in printed for line in text.split()]
    assert len(taken) == 4, "two processes and their children"
    assert sum(taken) == failures(redis)
    assert 20 <= sum(taken) <= 30, "ten of each account are free, and the delays of a slow machine end meanwhile"


def test_right_passwords_at_the_same_moment_leave_no_failure_behind(setup: Setup, redis: RedisServer):
    settings = counting(setup, redis, place=10_000, address=100_000, strangers=10_000, strangers_in_a_row=1000).settings
    counters = open_counters(settings, setup.database, Rules.of(settings.throttling), Slots(bytes(32)))

    def sign_in_again_and_again() -> None:
        for number in range(15):
            buckets = (Kind.ADDRESS, Slot(number % 2, 1)), (Kind.PLACE, Slot(number % 3, 1))
            attempt = Charges(buckets, Slot(number % 3, 1))
            assert counters.charge(attempt) is None
            counters.refund(attempt, clear=False, end=False)

    threads_at_once(*[sign_in_again_and_again] * 6)
    assert failures(redis) == 0
    assert redis.rows() == {}
