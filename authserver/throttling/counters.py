"""Where counts are kept: the interface of a store, and the store in the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from sqlalchemy import Connection

from authserver.database.batches import Batches
from authserver.database.engine import Database
from authserver.throttling import store
from authserver.throttling.lifting import store as lifting
from authserver.throttling.policy import Bucket, Kind, Rules, Strangers
from authserver.throttling.slots import BITS, Slot

#: Slots at which a batch of pruning looks.
_SLICE = 1 << 16
#: Rows of each kind at which `delayed` looks, about.
_SAMPLE = 10_000


@dataclass(frozen=True, slots=True)
class Charges:
    """What an attempt charges: its buckets in the order of their kinds, and the slot of the strangers at its account.

    An attempt from an origin that `is_known` is not delayed by the strangers and leaves their count as it was. It costs
    the same statements all the same. Otherwise the time of a sign-in would tell who lives in a place: a name that no
    user has is always a stranger's.
    """

    buckets: tuple[tuple[Kind, Slot], ...]
    strangers: Slot | None = None
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class Delay:
    """Which count delays an attempt, and for how many milliseconds. Without a kind it is the one of the strangers."""

    kind: Kind | None
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What stands in some counts. `now` is the store's time in milliseconds; it means nothing if there is no count."""

    now: int
    buckets: Mapping[Kind, Bucket]
    strangers: Strangers | None


@dataclass(frozen=True, slots=True)
class Delayed:
    """How many counts of a kind delay somebody, and whether the number is an estimate from a part of them."""

    number: int
    is_estimate: bool


def waits_until(rules: Rules, kind: Kind | None, one: Bucket | Strangers, now: int) -> int | None:
    """Until when a count delays attempts; None if it delays none. `kind` is None for strangers: those without a free attempt."""
    rule = rules.account if kind is None else rules.of_kind(kind)
    if isinstance(one, Strangers):
        bucket, free_at = one.bucket, one.free_at(rules, now, first=False)
    else:
        bucket, free_at = one, one.free_at(rule)
    # A charge further ahead than the longest delay comes from a clock that was set back, and counts as free.
    return free_at if free_at > now and bucket.charged_at <= now + rule.longest else None


class Counters(Protocol):
    """A store of counts. Safe for threads and for any number of nodes."""

    def charge(self, charges: Charges, /) -> Delay | None:
        """Charge an attempt. If a delay goes on, nothing is charged, and the longest delay is returned.

        Of any number of parallel attempts only as many are charged as the rules allow. A row that is empty takes the
        check of the slot. Any other keeps the one that it has, and is charged.
        """

    def refund(self, charges: Charges, /, *, clear: bool, end: bool) -> None:
        """Take the charges back, all or none. A row of another check gets nothing but that.

        `clear` empties the buckets of the account at its origin. `end` sets the failures in a row to 0, and leaves the
        level of the strangers.
        """

    def read(self, charges: Charges, /) -> Counted:
        """What stands in these counts. Changes nothing."""

    def lift(self, charges: Charges, connection: Connection, /) -> Counted:
        """Empty these counts, and end the failures in a row. Returns what stood there.

        `connection` is that of the administrator's act. A store in this database works on it, so the act and its record
        are one. Another store works at once. An attempt that runs meanwhile keeps its charge, or puts it on an empty count.
        """

    def delayed(self) -> Mapping[Kind | None, Delayed]:
        """How many counts of each kind delay somebody now; None stands for strangers. The work is bounded."""

    def at_limit(self) -> Delayed:
        """At how many accounts strangers have failed so often in a row that all of them are delayed, now or at the next attempt."""


class _Delayed(Exception):
    """Rolls a charge back."""


class DatabaseCounters:
    """Keeps the counts in the database. Its clock decides."""

    def __init__(self, database: Database, rules: Rules, *, sample: int = _SAMPLE) -> None:
        self._database = database
        self._rules = rules
        self._sample = sample

    def charge(self, charges: Charges) -> Delay | None:
        """Charge an attempt: see `Counters`. A statement for each table, in a transaction.

        The second one has to know what the first one found, and its table is logged.
        """
        if not charges.buckets and charges.strangers is None:
            return None
        try:
            with self._database.transaction() as connection:
                charged = store.charge(connection, self._rules, charges.buckets) if charges.buckets else {}
                if len(charged) < len(charges.buckets):
                    raise _Delayed
                if charges.strangers is not None:
                    place, rule = charged.get(Kind.PLACE), self._rules.place
                    first = Kind.BACKEND in charged or (place is not None and place.level(rule) <= rule.free)
                    if not store.charge_strangers(
                        connection, self._rules, charges.strangers, first=first, known=charges.is_known
                    ):
                        raise _Delayed
        except _Delayed:
            return self._longest_delay(charges)
        return None

    def refund(self, charges: Charges, *, clear: bool, end: bool) -> None:
        """Take the charges back: see `Counters`. A statement for each table, in the order in which they were charged."""
        if not charges.buckets and charges.strangers is None:
            return
        with self._database.transaction() as connection:
            if charges.buckets:
                store.refund(connection, self._rules, charges.buckets, clear=clear)
            if charges.strangers is not None:
                store.refund_strangers(connection, self._rules, charges.strangers, known=charges.is_known, end=end)

    def read(self, charges: Charges) -> Counted:
        """What stands in these counts: see `Counters`. A statement for each table."""
        with self._database.autocommit() as connection:
            now, buckets = store.read(connection, charges.buckets)
            read_at, strangers = (
                (0, None) if charges.strangers is None else store.read_strangers(connection, charges.strangers)
            )
        return Counted(max(now, read_at), buckets, strangers)

    def lift(self, charges: Charges, connection: Connection) -> Counted:
        """Empty these counts: see `Counters`. A statement for each, in the order in which attempts lock them."""
        now, buckets, strangers = 0, {}, None
        for kind, slot in charges.buckets:
            if (bucket := lifting.lift(connection, kind, slot)) is not None:
                now, buckets[kind] = bucket
        if charges.strangers is not None and (row := lifting.lift_strangers(connection, charges.strangers)) is not None:
            now, strangers = row
        return Counted(now, buckets, strangers)

    def delayed(self) -> Mapping[Kind | None, Delayed]:
        """How many counts delay somebody: see `Counters`. Two statements, which only read.

        Of a table with many rows a part is read, and the number is an estimate.
        """
        with self._database.autocommit() as connection:
            slots = lifting.slots_with(connection, self._sample)
            found = Counter(
                kind
                for kind, now, one in lifting.full(connection, self._rules, slots)
                if waits_until(self._rules, kind, one, now) is not None
            )
        return {
            kind: Delayed(round(found[kind] * lifting.ALL / number), number < lifting.ALL)
            for kind, number in slots.items()
        }

    def at_limit(self) -> Delayed:
        """At how many accounts strangers are at their limit: see `Counters`. One statement, which reads one table."""
        with self._database.autocommit() as connection:
            return Delayed(lifting.at_limit(connection, self._rules), is_estimate=False)

    def _longest_delay(self, charges: Charges) -> Delay:
        """Find out which count delays an attempt that was not charged. It may be over by now."""
        rules = self._rules
        with self._database.autocommit() as connection:
            now, buckets = store.read(connection, charges.buckets)
            free_at = {kind: bucket.free_at(rules.of_kind(kind)) for kind, bucket in buckets.items()}
            delays = [Delay(kind, at - now) for kind, at in free_at.items()]
            if charges.strangers is not None:
                # Read it for a known origin too: or the time of the answer would tell which origins are known.
                read_at, strangers = store.read_strangers(connection, charges.strangers)
                place, kinds = buckets.get(Kind.PLACE), dict(charges.buckets)
                is_open = Kind.PLACE in kinds and (place is None or place.has_room(rules.place, read_at))
                first = Kind.BACKEND in kinds or is_open
                if strangers is not None and not charges.is_known:
                    delays.append(Delay(None, strangers.free_at(rules, read_at, first=first) - read_at))
        longest = max(delays, key=lambda delay: delay.milliseconds, default=Delay(None, 0))
        # A clock that was set back makes a delay longer than any rule does.
        return replace(longest, milliseconds=min(longest.milliseconds, rules.account.longest))


def prune(batches: Batches, *, bits: int = BITS) -> Iterator[int]:
    """Delete rows at which everything is forgotten. Yields how many after each batch, and 0 after a slice without any more.

    It walks the slots of each kind. An index on times would grow with every attempt.
    """
    tables: list[Callable[..., int]] = [*(partial(store.prune, kind=kind) for kind in Kind), store.prune_strangers]
    for start in range(0, 1 << bits, _SLICE):
        slots = range(start, min(start + _SLICE, 1 << bits))
        for prune_table in tables:
            while deleted := prune_table(batches, slots=slots):
                yield deleted
            yield 0
