"""The statements of throttling keep the rule to the millisecond, on both databases."""

from __future__ import annotations

import random

import pytest

from authserver.settings.values import ThrottlingSettings
from authserver.throttling.counters import Charges, DatabaseCounters
from authserver.throttling.policy import DAY, Kind, Rules
from authserver.throttling.slots import Slot
from tests.support.databases import on_both_databases
from tests.support.setup import Setup
from tests.support.throttle_model import Model
from tests.support.throttle_rows import ACCOUNT, FAR, RULES, Clock, charges, everything

pytestmark = on_both_databases


@pytest.fixture
def clock(setup: Setup) -> Clock:
    return Clock(setup)


@pytest.fixture
def counters(setup: Setup) -> DatabaseCounters:
    return DatabaseCounters(setup.database, RULES)


def test_free_attempts_have_no_delay_and_the_next_ones_double_it_up_to_the_longest(
    counters: DatabaseCounters, clock: Clock
):
    for _ in range(RULES.place.free):
        assert counters.charge(charges(1, stranger=False)) is None
    expected = 1000
    for _ in range(12):
        delay = counters.charge(charges(1, stranger=False))
        assert delay is not None
        assert delay.kind is Kind.PLACE
        assert expected / 2 < delay.milliseconds <= expected
        clock.pass_(delay.milliseconds // 2)
        if expected >= 16_000:  # or a slow machine takes the other half for this statement
            assert counters.charge(charges(1, stranger=False)) is not None, "too early"
        clock.pass_(delay.milliseconds // 2 + 1)
        assert counters.charge(charges(1, stranger=False)) is None
        expected = min(expected * 2, RULES.place.longest)
    assert expected == RULES.place.longest


def test_a_refused_attempt_writes_nothing(counters: DatabaseCounters, setup: Setup, clock: Clock):
    for _ in range(RULES.place.free):
        assert counters.charge(charges(1)) is None
    before = everything(setup)
    for _ in range(3):
        assert counters.charge(charges(1)) is not None
    assert everything(setup) == before


def test_a_level_falls_by_one_in_each_period(counters: DatabaseCounters, clock: Clock):
    for _ in range(RULES.place.free):
        counters.charge(charges(1, stranger=False))
    clock.pass_(3 * RULES.place.period)
    assert [counters.charge(charges(1, stranger=False)) is None for _ in range(4)] == [True] * 3 + [False]


def test_the_first_attempts_of_a_place_are_not_delayed_by_other_strangers_until_too_many_in_a_row(
    counters: DatabaseCounters,
):
    taken = [counters.charge(charges(place)) is None for place in range(7) for _ in range(RULES.place.free)]
    assert taken == [True] * RULES.in_a_row + [False] * (21 - RULES.in_a_row)
    delay = counters.charge(charges(50))
    assert delay is not None
    assert delay.kind is None
    assert RULES.account.longest - 60_000 < delay.milliseconds <= RULES.account.longest


def test_strangers_failures_never_delay_a_known_place(counters: DatabaseCounters):
    for place in range(RULES.in_a_row):
        counters.charge(charges(place))
    assert counters.charge(charges(50)) is not None
    assert counters.charge(charges(50, stranger=False)) is None


def test_failures_in_a_row_are_halved_each_day_and_end_by_a_success_in_a_known_place(
    counters: DatabaseCounters, clock: Clock, setup: Setup
):
    for place in range(RULES.in_a_row):
        assert counters.charge(charges(place)) is None
    clock.pass_(DAY)
    assert sum(counters.charge(charges(100 + place)) is None for place in range(12)) == RULES.in_a_row / 2
    assert counters.charge(charges(99, stranger=False)) is None
    counters.refund(charges(99, stranger=False), clear=True, end=True)
    clock.pass_(RULES.in_a_row * RULES.account.period)
    assert sum(counters.charge(charges(200 + place)) is None for place in range(12)) == 12


def test_a_success_that_ends_the_failures_in_a_row_gives_strangers_no_further_first_attempts(
    counters: DatabaseCounters, clock: Clock
):
    for place in range(RULES.in_a_row):
        assert counters.charge(charges(place)) is None
    for _ in range(3):
        assert counters.charge(charges(99, stranger=False)) is None
        counters.refund(charges(99, stranger=False), clear=True, end=True)
        assert [counters.charge(charges(place)) is None for place in range(100, 110)] == [False] * 10
    delay = counters.charge(charges(110))
    assert delay is not None
    assert RULES.account.longest - 60_000 < delay.milliseconds <= RULES.account.longest, "as after failures in a row"
    clock.pass_(6 * RULES.account.period)
    assert [counters.charge(charges(place)) is None for place in range(200, 210)] == [True] * 6 + [False] * 4


def test_through_a_client_that_hides_addresses_no_delay_is_longer_than_a_minute_below_the_limit_of_the_row(
    setup: Setup, clock: Clock
):
    counters = DatabaseCounters(setup.database, Rules.of(ThrottlingSettings(place=3, strangers=5)))
    attempt = Charges(((Kind.BACKEND, Slot(1, 0)),), ACCOUNT)
    for place in range(20):
        assert counters.charge(charges(place)) is None
    for _ in range(3):
        assert counters.charge(attempt) is None
    for expected in (1, 2, 4, 8, 16, 32, 60, 60):
        delay = counters.charge(attempt)
        assert delay is not None
        assert delay.kind is Kind.BACKEND
        assert expected * 500 < delay.milliseconds <= expected * 1000
        clock.pass_(delay.milliseconds + 1)
        assert counters.charge(attempt) is None
    setup.sql("UPDATE throttle_strangers SET failures = 100")
    clock.pass_(60_000)
    delay = counters.charge(attempt)
    assert delay is not None
    assert delay.kind is None


def test_a_wrong_password_from_a_known_place_leaves_the_count_of_strangers_as_it_was(
    counters: DatabaseCounters, setup: Setup
):
    def strangers() -> list[object]:
        return list(setup.sql("SELECT * FROM throttle_strangers"))

    assert counters.charge(charges(1, stranger=False)) is None
    assert [(row.failures, row.empty_at - row.charged_at) for row in setup.sql("SELECT * FROM throttle_strangers")] == [
        (0, 0)
    ]
    assert counters.charge(charges(2)) is None
    before = strangers()
    assert counters.charge(charges(1, stranger=False)) is None
    assert strangers() == before
    counters.refund(charges(1, stranger=False), clear=True, end=False)
    assert strangers() == before, "nothing was charged, so nothing comes back"


def test_a_success_gets_its_own_charge_back_and_clears_the_account_at_this_place(
    counters: DatabaseCounters, setup: Setup
):
    for _ in range(2):
        assert counters.charge(charges(1)) is None
    before = {row.kind: row for row in setup.sql("SELECT * FROM throttle_buckets")}
    (strangers,) = setup.sql("SELECT * FROM throttle_strangers")
    assert counters.charge(charges(1)) is None
    counters.refund(charges(1), clear=True, end=False)
    after = {row.kind: row for row in setup.sql("SELECT * FROM throttle_buckets")}
    assert after[Kind.PLACE].empty_at == 0
    assert after[Kind.ADDRESS].empty_at == before[Kind.ADDRESS].empty_at
    (again,) = setup.sql("SELECT * FROM throttle_strangers")
    assert (again.failures, again.empty_at) == (strangers.failures, strangers.empty_at)


def test_an_attempt_that_was_not_checked_gets_just_its_charge_back(counters: DatabaseCounters, setup: Setup):
    counters.charge(charges(1))
    before = [row.empty_at for row in setup.sql("SELECT * FROM throttle_buckets ORDER BY kind")]
    counters.charge(charges(1))
    counters.refund(charges(1), clear=False, end=False)
    assert [row.empty_at for row in setup.sql("SELECT * FROM throttle_buckets ORDER BY kind")] == before


def test_a_success_does_not_lift_the_delay_that_a_failure_beside_it_has_set(counters: DatabaseCounters):
    shared = (Kind.ADDRESS, Slot(1, 0))
    for place in range(RULES.address.free - 1):
        assert counters.charge(Charges((shared, (Kind.PLACE, Slot(place, 0))))) is None
    own, guess = (Charges((shared, (Kind.PLACE, Slot(place, 0)))) for place in (900, 901))
    assert counters.charge(own) is None, "the last free one, which is still being hashed"
    assert counters.charge(guess) is not None
    counters.refund(own, clear=True, end=False)
    assert counters.charge(guess) is None, "the refund made room for one"
    assert counters.charge(guess) is not None, "and for no other"


def test_a_clock_that_was_set_back_shuts_nobody_out(counters: DatabaseCounters, clock: Clock):
    for _ in range(RULES.place.free + 1):
        counters.charge(charges(1, stranger=False))
    clock.pass_(-FAR)
    assert counters.charge(charges(1, stranger=False)) is None
    delay = counters.charge(charges(1, stranger=False))
    assert delay is not None
    assert delay.milliseconds <= RULES.place.longest


def test_a_count_that_is_switched_off_is_not_kept(setup: Setup):
    off = ThrottlingSettings(place=0, address=0, strangers=0, strangers_in_a_row=0, client_secret=0, link=0)
    rules = Rules.of(off)
    assert not rules.counts_strangers
    assert all(rules.of_kind(kind).is_off for kind in Kind)
    only_in_a_row = DatabaseCounters(setup.database, Rules.of(ThrottlingSettings(strangers=0, strangers_in_a_row=5)))
    assert [only_in_a_row.charge(Charges((), ACCOUNT)) is None for _ in range(6)] == [True] * 5 + [False]
    only_levels = DatabaseCounters(
        setup.database, Rules.of(ThrottlingSettings(strangers=5, strangers_in_a_row=0, longest_delay=3600))
    )
    setup.sql(
        "INSERT INTO throttle_strangers (slot, empty_at, charged_at, failures, halved_at) VALUES (1, :full, :now, 99, :now)",
        full=setup.database.now() + 12 * 3_600_000,
        now=setup.database.now(),
    )
    assert only_levels.charge(Charges((), Slot(1, 0))) is not None, "its level"
    setup.sql("UPDATE throttle_strangers SET empty_at = 0")
    assert only_levels.charge(Charges((), Slot(1, 0))) is None, "not its failures in a row"


@pytest.mark.parametrize("seed", range(2))
def test_the_statements_take_just_the_attempts_that_the_rule_takes(
    counters: DatabaseCounters, clock: Clock, setup: Setup, seed: int
):
    """Time passes in steps that are long against what a slow machine needs for a statement."""
    chance, model = random.Random(seed), Model(RULES)
    for step in range(80):
        place = chance.randrange(8)
        delay = counters.charge(charges(place))
        taken = model.attempt(str(place), clock.now())
        assert (delay is None) == taken, (seed, step)
        if chance.random() < 0.1:
            assert counters.charge(charges(99, stranger=False)) is None
            counters.refund(charges(99, stranger=False), clear=True, end=True)
            model.success()
        if chance.random() < 0.3:
            clock.pass_(chance.choice((5_000, 60_000, 900_000, DAY)))
