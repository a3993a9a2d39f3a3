"""Redis and the memory of a process keep the rule of throttling to the millisecond, as the database does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from authserver.settings.values import ThrottlingSettings
from authserver.throttling.counters import Charges, Counters, Delay, Delayed
from authserver.throttling.local import LocalCounters
from authserver.throttling.policy import DAY, Kind, Rule, Rules
from authserver.throttling.redis import RedisCounters, open_client
from authserver.throttling.slots import Slot, Slots
from tests.support.redis_server import RedisServer
from tests.support.throttle_model import Model

SMALL = ThrottlingSettings(place=3, address=8, strangers=5, strangers_in_a_row=16)
RULES = replace(Rules.of(SMALL), address=Rule(SMALL.address, 900_000, 900_000))
KINDS = (Kind.ADDRESS, Kind.NETWORK, Kind.PLACE, Kind.BACKEND)


class Clock:
    """A clock for the memory of a process."""

    def __init__(self) -> None:
        self.now = 10 * DAY

    def __call__(self) -> int:
        return self.now

    def pass_(self, milliseconds: int) -> None:
        self.now += milliseconds


class RedisClock:
    """Moves the rows of a Redis into the past instead of its clock into the future."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self.ahead = 0

    def __call__(self) -> int:
        return now_of(self._server) + self.ahead

    def pass_(self, milliseconds: int) -> None:
        self.ahead += milliseconds
        for key, row in self._server.rows().items():
            check, *times = (int(number) for number in row.split())
            times = [time if index == 2 else time - milliseconds for index, time in enumerate(times)]
            expires_at = self._server.client.execute_command("PEXPIRETIME", key) - milliseconds
            self._server.client.set(key, " ".join(map(str, (check, *times))), pxat=max(expires_at, 1))


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> Iterator[RedisCounters]:
    server.client.flushall()
    with open_client(server.url, timeout=30) as client:
        yield RedisCounters(client, RULES, "test")


@pytest.fixture(params=["redis", "memory"])
def store(request: pytest.FixtureRequest) -> tuple[Counters, Clock | RedisClock]:
    if request.param == "redis":
        return request.getfixturevalue("redis"), RedisClock(request.getfixturevalue("server"))
    clock = Clock()
    return LocalCounters(RULES, clock=clock), clock


def now_of(server: RedisServer) -> int:
    seconds, microseconds = server.client.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def charges(place: int, *, stranger: bool = True) -> Charges:
    """An attempt at one account from a place with an address of its own."""
    buckets = (Kind.ADDRESS, Slot(place, 1)), (Kind.PLACE, Slot(place, 2))
    return Charges(buckets, Slot(0, 3), is_known=not stranger)


@pytest.mark.parametrize("seed", range(2))
def test_a_store_takes_just_the_attempts_that_the_rule_takes(store: tuple[Counters, Clock | RedisClock], seed: int):
    """Time passes in steps that are long against what a slow machine needs for a request."""
    (counters, clock), chance, model = store, random.Random(seed), Model(RULES)
    for step in range(120):
        place = chance.randrange(8)
        delay = counters.charge(charges(place))
        taken = model.attempt(str(place), clock())
        assert (delay is None) == taken, (seed, step)
        if chance.random() < 0.3:
            clock.pass_(chance.choice((5_000, 60_000, 900_000, DAY)))


def test_redis_and_the_memory_of_a_process_answer_the_same_to_the_millisecond(
    redis: RedisCounters, server: RedisServer
):
    chance, clock, redis_clock = random.Random(5), Clock(), RedisClock(server)
    local, seen = LocalCounters(RULES, clock=clock), {"taken": 0, "refused": 0, "strangers": 0}
    for step in range(400):
        slots = [Slot(chance.randrange(most), chance.randrange(2)) for most in (2, 4, 4, 3, 6)]
        buckets = tuple((kind, slot) for kind, slot in zip(KINDS, slots[1:], strict=True) if chance.random() < 0.7)
        given = Charges(buckets, slots[0], is_known=chance.random() < 0.2)
        earliest = redis_clock()
        if chance.random() < 0.2:
            clear, end = chance.random() < 0.5, chance.random() < 0.5
            redis.refund(given, clear=clear, end=end)
            local.refund(given, clear=clear, end=end)
        elif (delay := redis.charge(given)) is None:
            charged_at = [int(row.split()[2]) for row in server.rows().values()]
            clock.now = max(earliest, max(charged_at, default=0) + redis_clock.ahead)
            assert local.charge(given) is None, step
            seen["taken"] += 1
        else:
            # Until the time of this act, which is one of these milliseconds, a refusal stays one.
            times = range(earliest, redis_clock() + 1)
            assert delay in (local_delay(local, clock, given, at) for at in times), step
            seen["strangers" if delay.kind is None else "refused"] += 1
        if chance.random() < 0.3:
            redis_clock.pass_(chance.choices((1000, 60_000, 900_000, DAY), weights=(5, 5, 2, 1))[0])
    assert min(seen.values()) >= 20, seen


def local_delay(local: LocalCounters, clock: Clock, given: Charges, at: int) -> Delay | None:
    clock.now = at
    return local.charge(given)


def test_a_row_that_other_rules_or_another_clock_have_left_shuts_nobody_out(redis: RedisCounters, server: RedisServer):
    now, rule, key = now_of(server), RULES.place, "authserver:throttle:1:test:3:1"
    attempt = Charges(((Kind.PLACE, Slot(1, 1)),))
    server.client.set(key, f"1 {now + 900 * rule.period} {now - 2 * rule.longest} 0 {now}")
    assert redis.charge(attempt) is None
    assert int(server.rows()[key].split()[1]) <= now_of(server) + rule.fullest, "fuller it would only last longer"
    server.client.set(key, f"1 {now + 10 * DAY} {now + 9 * DAY} 0 {now}")
    assert redis.charge(attempt) is None, "its clock was set back"
    delay = redis.charge(attempt)
    assert delay is not None
    assert delay.milliseconds <= rule.longest


def test_keys_expire_when_all_is_forgotten_and_a_success_leaves_none(redis: RedisCounters, server: RedisServer):
    assert redis.charge(charges(1)) is None
    expires = {key: server.client.pttl(key) for key in server.rows()}
    assert len(expires) == 3
    (in_a_row,) = (left for key, left in expires.items() if ":0:" in key)
    assert DAY - 60_000 < in_a_row <= DAY, "one failure is halved to none after a day"
    assert all(RULES.place.period - 60_000 < left <= DAY for left in expires.values())
    redis.refund(charges(1), clear=True, end=True)
    assert server.rows() == {}


def test_random_names_do_not_grow_a_store_beyond_its_slots(redis: RedisCounters, server: RedisServer):
    slots = Slots(bytes(32), bits=4)
    for number in range(80):
        name = f"name-{number}"
        redis.charge(Charges((slots.bucket(Kind.PLACE, name, "here"),), slots.strangers(name)))
    assert 16 <= len(server.rows()) <= 32


def test_counts_are_read_and_lifted_as_they_stand(redis: RedisCounters, server: RedisServer):
    for _ in range(2):
        assert redis.charge(charges(1)) is None
    both = Charges((*charges(1).buckets, (Kind.BACKEND, Slot(9, 9))), Slot(0, 3))
    before = server.rows()
    seen = redis.read(both)
    assert server.rows() == before
    assert seen.strangers is not None
    assert {kind: bucket.level(RULES.of_kind(kind)) for kind, bucket in seen.buckets.items()} == {
        Kind.ADDRESS: 2,
        Kind.PLACE: 2,
    }
    assert (seen.strangers.failures, seen.strangers.bucket.level(RULES.account)) == (2, 2)
    assert abs(seen.now - now_of(server)) < 60_000
    lifted = redis.lift(both)
    assert (lifted.buckets, lifted.strangers) == (seen.buckets, seen.strangers)
    assert server.rows() == {}
    assert redis.read(both).buckets == redis.read(Charges(())).buckets == {}


def test_counts_that_delay_somebody_are_numbered_and_estimated_from_a_part_of_many(server: RedisServer):
    server.client.flushall()
    with open_client(server.url, timeout=30) as client:
        redis = RedisCounters(client, RULES, "test", sample=1)
        for number in range(4000):
            server.client.set(f"another:{number}", "")
        for place in range(RULES.in_a_row):
            assert redis.charge(charges(place, stranger=place != 1)) is None
        assert redis.charge(Charges(((Kind.PLACE, Slot(1, 2)),))) is None
        assert redis.charge(Charges(((Kind.PLACE, Slot(1, 2)),))) is None
        server.client.set("authserver:throttle:1:test:99:1", "1 1 1 0 1")
        found = RedisCounters(client, RULES, "test").delayed()
        assert {kind for kind, one in found.items() if one == Delayed(1, is_estimate=False)} == {Kind.PLACE, None}
        assert sum(one.number for one in found.values()) == 2
        assert all(one.is_estimate for one in redis.delayed().values())


def test_accounts_at_the_limit_are_numbered_and_estimated_from_a_part_of_many(server: RedisServer):
    server.client.flushall()
    with open_client(server.url, timeout=30) as client:
        redis = RedisCounters(client, RULES, "test")
        for place in range(RULES.in_a_row - 1):
            assert redis.charge(charges(place)) is None
        assert redis.at_limit() == Delayed(0, is_estimate=False)
        assert redis.charge(charges(RULES.in_a_row)) is None
        assert redis.at_limit() == Delayed(1, is_estimate=False)
        for number in range(4000):
            server.client.set(f"another:{number}", "")
        assert redis.at_limit() == Delayed(1, is_estimate=False)
        assert RedisCounters(client, RULES, "test", sample=1).at_limit().is_estimate


def test_two_servers_on_one_redis_do_not_count_together(redis: RedisCounters, server: RedisServer):
    for _ in range(RULES.place.free):
        assert redis.charge(charges(1, stranger=False)) is None
    assert redis.charge(charges(1, stranger=False)) is not None
    with open_client(server.url, timeout=30) as client:
        other = RedisCounters(client, RULES, Slots(bytes(32)).installation)
        assert other.charge(charges(1, stranger=False)) is None


def test_a_redis_that_has_lost_the_script_gets_it_again(redis: RedisCounters, server: RedisServer):
    assert redis.charge(charges(1)) is None
    server.client.script_flush()
    assert redis.charge(charges(2)) is None
    assert len(server.rows()) == 5


def test_a_flood_of_names_pushes_out_itself_and_not_the_account_that_is_guessed():
    clock = Clock()
    local = LocalCounters(RULES, most=1000, clock=clock)
    for _ in range(RULES.place.free):
        assert local.charge(charges(1, stranger=False)) is None
    for number in range(2, 5000):
        assert local.charge(Charges(((Kind.PLACE, Slot(number, number)),))) is None
    assert len(local) <= 1000
    assert local.charge(charges(1, stranger=False)) is not None
