"""The rows of throttling: whose they are, how many there are, and when they go."""

from __future__ import annotations

import pytest

from authserver.database.batches import Batches
from authserver.throttling.counters import Charges, DatabaseCounters, prune
from authserver.throttling.policy import DAY, Kind
from authserver.throttling.slots import Slot, Slots
from tests.support.databases import on_both_databases
from tests.support.setup import Setup
from tests.support.throttle_rows import RULES, Clock, charges, everything

pytestmark = on_both_databases


@pytest.fixture
def clock(setup: Setup) -> Clock:
    return Clock(setup)


@pytest.fixture
def counters(setup: Setup) -> DatabaseCounters:
    return DatabaseCounters(setup.database, RULES)


def test_a_success_of_an_account_that_shares_the_slots_neither_clears_nor_ends(
    counters: DatabaseCounters, setup: Setup
):
    victim = Charges(((Kind.PLACE, Slot(1, 7)),), Slot(1, 7))
    other = Charges(((Kind.PLACE, Slot(1, 8)),), Slot(1, 8))
    assert [counters.charge(victim) is None for _ in range(2)] == [True] * 2
    before = [(row.key_check, row.empty_at) for row in everything(setup)]
    assert counters.charge(other) is None, "they share the level"
    counters.refund(other, clear=True, end=True)
    assert [(row.key_check, row.empty_at) for row in everything(setup)] == before
    assert [row.failures for row in setup.sql("SELECT * FROM throttle_strangers")] == [2]
    assert counters.charge(victim) is None
    counters.refund(victim, clear=True, end=True)
    assert [row.failures for row in setup.sql("SELECT * FROM throttle_strangers")] == [0]
    assert [row.empty_at for row in setup.sql("SELECT * FROM throttle_buckets")] == [0]


def test_a_row_is_of_the_account_that_finds_it_empty_or_without_a_check(
    counters: DatabaseCounters, setup: Setup, clock: Clock
):
    first, second = (Charges(((Kind.PLACE, Slot(1, check)),), Slot(1, check)) for check in (7, 8))
    assert counters.charge(first) is None
    clock.pass_(2 * RULES.place.period)
    assert counters.charge(second) is None
    assert [row.key_check for row in everything(setup)] == [8, 7], "a failure in a row is not forgotten yet"
    clock.pass_(2 * DAY)
    assert counters.charge(second) is None
    assert [row.key_check for row in everything(setup)] == [8, 8]
    for table in ("throttle_buckets", "throttle_strangers"):
        setup.sql(f"UPDATE {table} SET key_check = NULL")  # as the version before writes it
    assert counters.charge(first) is None
    assert [row.key_check for row in everything(setup)] == [7, 7]


def test_random_names_do_not_grow_the_tables_beyond_their_slots(setup: Setup):
    counters, slots = DatabaseCounters(setup.database, RULES), Slots(bytes(32), bits=4)
    for number in range(80):
        name = f"name-{number}"
        counters.charge(Charges((slots.bucket(Kind.PLACE, name, "here"),), slots.strangers(name)))
    for table in ("throttle_buckets", "throttle_strangers"):
        assert 8 <= setup.sql(f"SELECT count(*) AS n FROM {table}")[0].n <= 16


def test_pruning_deletes_forgotten_rows_and_no_other(counters: DatabaseCounters, clock: Clock, setup: Setup):
    for place in range(7):
        counters.charge(charges(place))
    clock.pass_(RULES.place.period + 1000)
    counters.charge(charges(100))
    assert sum(prune(Batches(setup.database, 3), bits=10)) == 14
    assert {row.slot for row in setup.sql("SELECT slot FROM throttle_buckets")} == {100}
    assert len(setup.sql("SELECT * FROM throttle_strangers")) == 1, "eight failures in a row are not forgotten"
    clock.pass_(5 * DAY)
    assert sum(prune(Batches(setup.database, 3), bits=10)) == 3
    assert everything(setup) == []
