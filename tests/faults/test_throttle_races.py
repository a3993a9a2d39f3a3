"""Parallel guesses, in threads and in processes: no more of them are checked than the rule allows. And lost refunds."""

from __future__ import annotations

import json

from authserver.records.metrics import NOT_RECORDED
from authserver.settings.values import ThrottlingSettings
from authserver.throttling.counters import Charges, DatabaseCounters
from authserver.throttling.policy import Kind, Rules
from authserver.throttling.slots import Slot, Slots
from authserver.throttling.throttle import Throttle
from authserver.throttling.viewing import Counts, Named
from tests.support.at_once import processes_at_once, threads_at_once
from tests.support.databases import on_both_databases, on_postgresql
from tests.support.oauth import OAuth, Person
from tests.support.setup import Setup

pytestmark = on_both_databases

PREPARE = """
from flask import Flask
from authserver.database.engine import open_database
from authserver.settings.values import ThrottlingSettings
from authserver.throttling.counters import Charges, DatabaseCounters
from authserver.throttling.policy import Kind, Rules
from authserver.throttling.slots import Slot
database = open_database(Flask("guess"), settings)
counters = DatabaseCounters(database, Rules.of(ThrottlingSettings(longest_delay=3600)))
database.now()
"""
ACT = """
import json
taken = 0
for number in range(25):
    # Two accounts in turn from one place and address: attempts with common rows must not wait for each other for ever.
    charges = Charges(((Kind.ADDRESS, Slot(1, 0)), (Kind.PLACE, Slot(number % 2, 0))), Slot(number % 2, 0))
    taken += counters.charge(charges) is None
    if number % 7 == 6:
        counters.refund(Charges(((Kind.ADDRESS, Slot(2, 0)), (Kind.PLACE, Slot(9, 0)))), clear=True, end=False)
print(json.dumps(taken))
"""


def test_parallel_guesses_in_threads_get_no_more_tries_than_the_rule_says(setup: Setup):
    counters = DatabaseCounters(setup.database, Rules.of(ThrottlingSettings(longest_delay=3600)))
    attempt = Charges(((Kind.ADDRESS, Slot(1, 0)), (Kind.PLACE, Slot(1, 0))), Slot(1, 0))
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
            attempt = Charges(
                ((Kind.ADDRESS, Slot(number % 2, 0)), (Kind.PLACE, Slot(number % 3, 0))), Slot(number % 3, 0)
            )
            assert counters.charge(attempt) is None
            counters.refund(attempt, clear=False, end=False)

    threads_at_once(*[sign_in_again_and_again] * 6)
    now = setup.database.now()
    assert all(row.empty_at <= now for row in setup.sql("SELECT * FROM throttle_buckets"))
    assert [row.failures for row in setup.sql("SELECT * FROM throttle_strangers")] == [0] * 3


#: As on a full disk: the charge is written, and what takes it back is not.
FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER full_disk BEFORE UPDATE ON throttle_strangers FOR EACH ROW
WHEN (NEW.empty_at < OLD.empty_at) EXECUTE FUNCTION full_disk()
"""


@on_postgresql
def test_a_right_password_is_accepted_also_if_its_charge_cannot_be_taken_back(
    oauth: OAuth, person: Person, setup: Setup
):
    public = oauth.as_app(setup.an_app(public=True))
    assert public.sign_in(Person("", person.username, "wrong password")).status_code == 400
    (before,) = setup.sql("SELECT * FROM throttle_buckets WHERE kind = 3")
    for statement in FULL.replace("$$;", "$$;;").split(";;"):
        setup.sql(statement)
    lost = NOT_RECORDED.labels("throttle")._value.get()
    assert public.sign_in(person).status_code == 200
    assert NOT_RECORDED.labels("throttle")._value.get() == lost + 1
    (after,) = setup.sql("SELECT * FROM throttle_buckets WHERE kind = 3")
    assert after.empty_at - before.empty_at == 900_000, "none of the charges came back"


def test_a_lift_beside_attempts_never_waits_for_them_for_ever(setup: Setup):
    """Both lock the address before the place. In two orders, PostgreSQL would end one of them."""
    rules = Rules.of(ThrottlingSettings(place=10_000, address=100_000, strangers=10_000, strangers_in_a_row=1000))
    counts = Counts(DatabaseCounters(setup.database, rules), rules, Slots(bytes(32)))
    throttle, attempted = Throttle(counts.counters, rules, counts.slots), []

    def fail_again_and_again() -> None:
        for number in range(20):
            throttle.charge(throttle.sign_in(f"name-{number % 2}", "192.0.2.1", None))
            attempted.append(number)

    def lift_again_and_again() -> None:
        for _ in range(20):
            setup.transaction(lambda connection: counts.lift(Named(("name-0", "name-1"), "192.0.2.1"), connection))

    threads_at_once(*[fail_again_and_again, lift_again_and_again] * 3)
    assert len(attempted) == 60
