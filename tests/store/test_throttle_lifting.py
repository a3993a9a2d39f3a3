"""What administrators see of the counts is what attempts have charged, and a lift empties that and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from authserver.settings.values import ThrottlingSettings
from authserver.throttling.counters import DatabaseCounters, Delayed
from authserver.throttling.policy import DAY, Kind, Rules
from authserver.throttling.slots import BITS, Slots
from authserver.throttling.throttle import Throttle
from authserver.throttling.viewing import Count, Counts, Named
from tests.support.databases import on_both_databases
from tests.support.setup import Setup

pytestmark = on_both_databases
HERE, ELSEWHERE, WIDE = "192.0.2.7", "198.51.100.7", "2001:db8::1"
RULES = Rules.of(ThrottlingSettings(place=3, strangers=6, strangers_in_a_row=20, client_secret=3, link=3, address=12))
#: No bucket of an address may forget a failure while the test runs.
RULES = replace(RULES, **{name: replace(getattr(RULES, name), period=900_000) for name in ("address", "network")})


@pytest.fixture
def counts(setup: Setup) -> Counts:
    return Counts(DatabaseCounters(setup.database, RULES), RULES, Slots(bytes(32)))


@pytest.fixture
def throttle(counts: Counts) -> Throttle:
    return Throttle(counts.counters, counts.rules, counts.slots)


def fail(throttle: Throttle, account: str, address: str | None, times: int = 1, client_id: str | None = None) -> None:
    for _ in range(times):
        throttle.charge(throttle.sign_in(account, address, client_id))


def failures(found: list[Count]) -> dict[str, int]:
    return {count.kind: count.failures for count in found}


def lifted(setup: Setup, counts: Counts, named: Named) -> dict[str, int]:
    found: list[Count] = setup.transaction(lambda connection: counts.lift(named, connection))
    return failures(found)


def test_the_counts_of_a_name_are_what_its_attempts_have_charged(counts: Counts, throttle: Throttle):
    fail(throttle, "anna", HERE, 3)
    fail(throttle, "anna", ELSEWHERE, 2)
    assert failures(counts.read(Named(("anna",)))) == {"strangers": 5}
    assert failures(counts.read(Named(("anna",), HERE))) == {"address": 3, "place": 3, "strangers": 5}
    assert failures(counts.read(Named(("bob",), HERE))) == {"address": 3}
    assert counts.read(Named(("bob",))) == []
    fail(throttle, "anna", None, 2, "shop")
    assert failures(counts.read(Named(("anna",), None, "shop"))) == {"backend": 2, "strangers": 7}
    fail(throttle, "anna", WIDE)
    assert failures(counts.read(Named((), WIDE))) == {"address": 1, "network": 1}


def test_the_counts_of_secrets_and_links_are_found_by_address(counts: Counts, throttle: Throttle):
    for _ in range(2):
        throttle.wrong_client("shop", HERE)
    throttle.wrong_link(HERE)
    assert failures(counts.read(Named((), HERE))) == {"address": 3, "link": 1}
    assert failures(counts.read(Named((), HERE, "shop"))) == {"address": 3, "client": 2}
    assert failures(counts.read(Named((), HERE, "other"))) == {"address": 3}


def test_a_count_says_when_the_next_attempt_may_come(counts: Counts, throttle: Throttle, setup: Setup):
    fail(throttle, "anna", HERE, 2)
    place = {count.kind: count for count in counts.read(Named(("anna",), HERE))}["place"]
    assert (place.free, place.next_at) == (3, None)
    setup.sql("UPDATE throttle_buckets SET empty_at = empty_at + 20 * 900000 WHERE kind = 3")
    place = {count.kind: count for count in counts.read(Named(("anna",), HERE))}["place"]
    assert place.next_at is not None
    assert 0 < place.next_at - setup.database.now() <= RULES.place.longest
    setup.sql("UPDATE throttle_buckets SET charged_at = charged_at + 90000000 WHERE kind = 3")
    place = {count.kind: count for count in counts.read(Named(("anna",), HERE))}["place"]
    assert place.next_at is None, "the clock was set back, which gives no delay"


def test_failures_of_strangers_in_a_row_are_halved_each_day(counts: Counts, throttle: Throttle, setup: Setup):
    fail(throttle, "anna", HERE)
    setup.sql("UPDATE throttle_strangers SET failures = 30")
    (found,) = counts.read(Named(("anna",)))
    assert (found.in_a_row, found.shuts_all_strangers) == ((30, 20), True)
    assert found.next_at is not None
    setup.sql("UPDATE throttle_strangers SET halved_at = halved_at - :day", day=DAY)
    (found,) = counts.read(Named(("anna",)))
    assert (found.in_a_row, found.shuts_all_strangers) == ((15, 20), False)


def test_a_lift_empties_the_named_counts_and_no_others(counts: Counts, throttle: Throttle, setup: Setup):
    fail(throttle, "anna", HERE, 3)
    fail(throttle, "anna", ELSEWHERE, 1)
    fail(throttle, "bob", ELSEWHERE, 2)
    throttle.wrong_client("shop", HERE)
    assert lifted(setup, counts, Named(("anna",), HERE)) == {"address": 4, "place": 3, "strangers": 4}
    assert counts.read(Named(("anna",), HERE)) == []
    assert failures(counts.read(Named(("anna",), ELSEWHERE))) == {"address": 3, "place": 1}
    assert failures(counts.read(Named(("bob",), ELSEWHERE))) == {"address": 3, "place": 2, "strangers": 2}
    assert failures(counts.read(Named((), HERE, "shop"))) == {"client": 1}
    assert lifted(setup, counts, Named(("anna",), HERE)) == {}
    fail(throttle, "anna", HERE, 3)


def test_a_lift_that_is_rolled_back_empties_nothing(counts: Counts, throttle: Throttle, setup: Setup):
    fail(throttle, "anna", HERE, 2)

    def fails(connection: Any) -> None:
        assert counts.lift(Named(("anna",), HERE), connection)
        raise KeyError

    with pytest.raises(KeyError):
        setup.transaction(fails)
    assert failures(counts.read(Named(("anna",), HERE))) == {"address": 2, "place": 2, "strangers": 2}


def test_an_attempt_that_was_charged_before_a_lift_is_refunded_after_it(
    counts: Counts, throttle: Throttle, setup: Setup
):
    attempt = throttle.sign_in("anna", HERE, None)
    throttle.charge(attempt)
    lifted(setup, counts, Named(("anna",), HERE))
    throttle.accept(attempt)
    assert counts.read(Named(("anna",), HERE)) == []


def test_counts_that_are_switched_off_are_not_shown(setup: Setup):
    rules = Rules.of(ThrottlingSettings(place=0, strangers=0, strangers_in_a_row=0))
    counts = Counts(DatabaseCounters(setup.database, rules), rules, Slots(bytes(32)))
    fail(Throttle(counts.counters, rules, counts.slots), "anna", HERE)
    assert failures(counts.read(Named(("anna",), HERE))) == {"address": 1}


@pytest.mark.parametrize(("levels", "in_a_row", "free", "shown"), [(0, 50, 50, (1, 50)), (30, 0, 30, None)])
def test_strangers_are_shown_with_the_limits_that_are_switched_on(
    setup: Setup, levels: int, in_a_row: int, free: int, shown: tuple[int, int] | None
):
    rules = Rules.of(ThrottlingSettings(strangers=levels, strangers_in_a_row=in_a_row))
    counts = Counts(DatabaseCounters(setup.database, rules), rules, Slots(bytes(32)))
    fail(Throttle(counts.counters, rules, counts.slots), "anna", HERE)
    (found,) = counts.read(Named(("anna",)))
    assert (found.free, found.in_a_row) == (free, shown)


def test_delays_are_counted_by_kind(counts: Counts, throttle: Throttle, setup: Setup):
    assert {one.number for one in counts.delayed().values()} == {0}
    for name in ("anna", "bob", "chris"):
        fail(throttle, name, HERE, 3)
    throttle.charge(throttle.confirmation(uuid4()))
    setup.sql("UPDATE throttle_buckets SET empty_at = empty_at + 20 * 900000 WHERE kind = 3")
    setup.sql(
        "UPDATE throttle_strangers SET failures = 20 WHERE slot = :slot", slot=counts.slots.strangers("bob").number
    )
    found = {kind: one.number for kind, one in counts.delayed().items() if one.number}
    assert found == {"place": 3, "strangers": 1}
    assert not any(one.is_estimate for one in counts.delayed().values())
    setup.sql("UPDATE throttle_buckets SET charged_at = charged_at - 900000, empty_at = empty_at - 900000")
    assert counts.delayed()["place"].number == 0


def test_the_number_of_very_many_delays_is_estimated_from_the_first_slots(counts: Counts, setup: Setup):
    now = setup.database.now()
    step = (1 << BITS) // 64
    for number in range(64):
        empty_at = now + (900_000_000 if number % 2 else 900_000)
        setup.sql(
            "INSERT INTO throttle_buckets VALUES (:kind, :slot, :empty_at, :now, 0)",
            kind=int(Kind.PLACE), slot=number * step, empty_at=empty_at, now=now,
        )  # fmt: skip
    assert counts.delayed()["place"] == Delayed(32, is_estimate=False)
    few = DatabaseCounters(setup.database, RULES, sample=16).delayed()[Kind.PLACE]
    assert (few.number, few.is_estimate) == (32, True)
