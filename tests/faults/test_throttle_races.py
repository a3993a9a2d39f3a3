"""Parallel guesses, in threads and in processes: no more of them are checked than the rule allows."""

from __future__ import annotations

import json

from authserver.settings.values import ThrottlingSettings
from authserver.throttling.counters import Charges, DatabaseCounters
from authserver.throttling.policy import Kind, Rules
from tests.support.at_once import processes_at_once, threads_at_once
from tests.support.databases import on_both_databases
from tests.support.setup import Setup

pytestmark = on_both_databases

PREPARE = """
from flask import Flask
from authserver.database.engine import open_database
from authserver.settings.values import ThrottlingSettings
from authserver.throttling.counters import Charges, DatabaseCounters
from authserver.throttling.policy import Kind, Rules
database = open_database(Flask("guess"), settings)
counters = DatabaseCounters(database, Rules.of(ThrottlingSettings(longest_delay=3600)))
database.now()
"""
ACT = """
import json
taken = 0
for number in range(25):
    # Two accounts in turn from one place and address: attempts with common rows must not wait for each other for ever.
    charges = Charges(((Kind.ADDRESS, 1), (Kind.PLACE, number % 2)), number % 2)
    taken += counters.charge(charges) is None
    if number % 7 == 6:
        counters.refund(Charges(((Kind.ADDRESS, 2), (Kind.PLACE, 9))), clear=True, end=False)
print(json.dumps(taken))
"""


def test_parallel_guesses_in_threads_get_no_more_tries_than_the_rule_says(setup: Setup):
    counters = DatabaseCounters(setup.database, Rules.of(ThrottlingSettings(longest_delay=3600)))
    attempt = Charges(((Kind.ADDRESS, 1), (Kind.PLACE, 1)), 1)
    taken = [delay is None for delay in threads_at_once(*[lambda: counters.charge(attempt)] * 24)]
    (place,) = setup.sql("SELECT * FROM throttle_buckets WHERE kind = :kind", kind=int(Kind.PLACE))
    (strangers,) = setup.sql("SELECT * FROM throttle_strangers")
    assert sum(taken) == strangers.failures == -(-(place.empty_at - place.charged_at) // 3_600_000)
    assert 10 <= sum(taken) <= 13, "ten are free, and a slow machine needs a second or two"


def test_parallel_guesses_of_many_processes_get_no_more_tries_than_the_rule_says(setup: Setup):
    printed = processes_at_once(PREPARE, ACT, count=3, settings=setup.settings)
    taken = sum(json.loads(text) for text in printed)
    strangers = setup.sql("SELECT * FROM throttle_strangers ORDER BY slot")
    assert taken == sum(row.failures for row in strangers)
    assert 20 <= taken <= 30, "ten of each account are free, and the delays of a slow machine end meanwhile"


def test_right_passwords_at_the_same_moment_leave_no_failure_behind(setup: Setup):
    """Charges and refunds have rows in common. If they locked them in different orders, PostgreSQL would end one of them."""
    high = ThrottlingSettings(place=10_000, address=100_000, strangers=10_000, strangers_in_a_row=1000)
    counters = DatabaseCounters(setup.database, Rules.of(high))

    def sign_in_again_and_again() -> None:
        for number in range(15):
            attempt = Charges(((Kind.ADDRESS, number % 2), (Kind.PLACE, number % 3)), number % 3)
            assert counters.charge(attempt) is None
            counters.refund(attempt, clear=False, end=False)

    threads_at_once(*[sign_in_again_and_again] * 6)
    now = setup.database.now()
    assert all(row.empty_at <= now for row in setup.sql("SELECT * FROM throttle_buckets"))
    assert [row.failures for row in setup.sql("SELECT * FROM throttle_strangers")] == [0] * 3
