"""The pure parts of throttling: places, delays, slots, and what people are told."""

from __future__ import annotations

import pytest

from authserver.pages.waiting import too_often
from authserver.settings.values import ThrottlingSettings
from authserver.throttling.places import Place, place_of
from authserver.throttling.policy import DAY, Bucket, Kind, Rule, Rules, Strangers
from authserver.throttling.slots import BITS, Slots

RULES = Rules.of(ThrottlingSettings())


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.77", Place("192.0.2.0/24", None)),
        ("::ffff:192.0.2.77", Place("192.0.2.0/24", None)),
        ("64:ff9b::192.0.2.77", Place("192.0.2.0/24", None)),
        ("64:ff9b:1::192.0.2.77", Place("64:ff9b:1::/64", "64:ff9b:1::/48")),
        ("2001:db8:1:2:3:4:5:6", Place("2001:db8:1:2::/64", "2001:db8:1::/48")),
        ("fe80::1%eth0", Place("fe80::/64", "fe80::/48")),
        (None, None),
        ("", None),
        ("unknown", None),
        ("192.0.2.0/24", None),
    ],
)
def test_a_place_is_the_part_of_an_address_that_its_holder_cannot_choose(address: str | None, place: Place | None):
    assert place_of(address) == place


@pytest.mark.parametrize(
    ("longest", "delays"),
    [
        (900_000, (1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 900_000)),
        (1000, (1000,)),
        (3000, (1000, 2000, 3000)),
    ],
)
def test_delays_double_from_one_second_to_the_longest(longest: int, delays: tuple[int, ...]):
    assert Rule(10, longest, longest).delays == delays


def test_a_bucket_is_open_while_it_has_room_and_then_for_the_delay_of_its_level():
    rule, now = Rule(3, 10_000, 900_000), 1_000_000
    assert Bucket(now + 20_000, now).free_at(rule) == now
    assert Bucket(now + 20_001, now).free_at(rule) == now + 1000, "what is left of a failure counts whole"
    assert Bucket(now + 30_000, now).free_at(rule) == now + 1000
    assert Bucket(now + 50_000, now).free_at(rule) == now + 4000
    assert Bucket(now + 500_000, now).free_at(rule) == now + 900_000
    assert Bucket(0, now).free_at(rule) == now


def test_strangers_wait_the_longest_delay_after_a_hundred_failures_in_a_row_until_these_are_halved():
    full, now = Bucket(0, 5_000), 10_000
    many = Strangers(full, 100, 0)
    assert many.free_at(RULES, now, first=True) == 5_000 + RULES.account.longest
    assert many.free_at(RULES, now + DAY, first=True) == 0
    assert Strangers(full, 99, 0).free_at(RULES, now, first=True) == 0


def test_a_slot_tells_nothing_and_no_two_lists_of_parts_are_the_same():
    slots, others = Slots(bytes(32)), Slots(bytes(31) + b"\1")
    made = {
        slots.bucket(Kind.PLACE, "ab", "c")[1],
        slots.bucket(Kind.PLACE, "a", "bc")[1],
        slots.bucket(Kind.PLACE, "abc")[1],
        slots.bucket(Kind.ADDRESS, "abc")[1],
        slots.strangers("abc"),
        others.strangers("abc"),
    }
    assert len(made) == 6
    assert all(0 <= slot.number < 1 << BITS and 0 <= slot.check < 1 << 32 for slot in made)
    assert len({slot.number for slot in made}) == len({slot.check for slot in made}) == 6
    assert slots.strangers("\ud800") == slots.strangers("\ud800"), "any text has a slot"


@pytest.mark.parametrize(
    ("seconds", "said"), [(1, "1 second,"), (120, "120 seconds,"), (121, "3 minutes,"), (900, "15 minutes,")]
)
def test_a_person_is_never_told_too_short_a_time(seconds: int, said: str):
    assert said in too_often(seconds)
