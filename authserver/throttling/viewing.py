"""What administrators see of the counts, and lift. A slot is a digest, so a count is found by what it counts alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from authserver.throttling.counters import Charges, Counted, Counters, Delayed, waits_until
from authserver.throttling.places import place_of
from authserver.throttling.policy import Bucket, Kind, Rule, Rules
from authserver.throttling.slots import Slot, Slots

STRANGERS = "strangers"


@dataclass(frozen=True, slots=True)
class Named:
    """What counts are asked for: folded names with or without the address, or client, of their attempts; or without names.

    A client stands for the place of a name where the address is not known. Without names it is the client whose secrets
    were wrong at the address.
    """

    accounts: tuple[str, ...] = ()
    address: str | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """One count, now. `of` is the account, the place or the client that it counts for.

    Attempts after `free` ones have a delay. `next_at` is when the next one may come, in milliseconds; None if now.
    `in_a_row` is for strangers alone: their failures without a success of the user, and from how many on all of them wait.
    """

    kind: str
    of: str
    failures: int
    free: int
    next_at: int | None
    in_a_row: tuple[int, int] | None = None

    @property
    def shuts_all_strangers(self) -> bool:
        """Whether also the first attempts of a new place are delayed."""
        return self.in_a_row is not None and self.in_a_row[0] >= self.in_a_row[1]


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of a server, found by what they count. Safe for threads."""

    counters: Counters
    rules: Rules
    slots: Slots

    def read(self, named: Named) -> list[Count]:
        """The counts with a failure in them."""
        return [count for of, charges in self._charges(named) for count in self._found(of, self.counters.read(charges))]

    def lift(self, named: Named, connection: Connection) -> list[Count]:
        """Empty them, on the connection of the act (`Counters.lift`). Returns what stood there."""
        return [
            count
            for of, charges in self._charges(named)
            for count in self._found(of, self.counters.lift(charges, connection))
        ]

    def delayed(self) -> Mapping[str, Delayed]:
        """How many counts of each kind delay somebody now."""
        return {_name(kind): one for kind, one in self.counters.delayed().items()}

    def at_limit(self) -> Delayed:
        """At how many accounts strangers have failed so often in a row that all of them are delayed."""
        return self.counters.at_limit()

    def _charges(self, named: Named) -> Iterator[tuple[Mapping[Kind | None, str], Charges]]:
        """What each count is of, and where it stands. Addresses come first, as in an attempt: two orders are a deadlock."""
        place, client_id = place_of(named.address), named.client_id
        if place is not None:
            keys: dict[Kind, tuple[str, ...]] = {Kind.ADDRESS: (place.near,)}
            if place.wide is not None:
                keys[Kind.NETWORK] = (place.wide,)
            if not named.accounts:
                keys |= {Kind.LINK: (place.near,)} if client_id is None else {Kind.CLIENT: (client_id, place.near)}
            yield {kind: ", ".join(parts) for kind, parts in keys.items()}, self._where(keys)
        for account in named.accounts:
            keys = {} if place is None else {Kind.PLACE: (account, place.near)}
            if place is None and client_id is not None:
                keys = {Kind.BACKEND: (account, client_id)}
            strangers = self.slots.strangers(account) if self.rules.counts_strangers else None
            of: dict[Kind | None, str] = {kind: ", ".join(parts) for kind, parts in keys.items()}
            yield of | {None: account}, self._where(keys, strangers)

    def _where(self, keys: Mapping[Kind, tuple[str, ...]], strangers: Slot | None = None) -> Charges:
        counted = sorted(kind for kind in keys if not self.rules.of_kind(kind).is_off)
        return Charges(tuple(self.slots.bucket(kind, *keys[kind]) for kind in counted), strangers)

    def _found(self, of: Mapping[Kind | None, str], counted: Counted) -> Iterator[Count]:
        rules, now = self.rules, counted.now
        for kind, bucket in counted.buckets.items():
            failures, next_at = _left(bucket, rules.of_kind(kind), now), waits_until(rules, kind, bucket, now)
            if failures or next_at:
                yield Count(_name(kind), of[kind], failures, rules.of_kind(kind).free, next_at)
        if (row := counted.strangers) is not None:
            failures, next_at = _left(row.bucket, rules.account, now), waits_until(rules, None, row, now)
            in_a_row = row.in_a_row(now)
            if failures or in_a_row:
                free = min(rules.account.free, rules.in_a_row)
                limit = (in_a_row, rules.in_a_row) if rules.counts_in_a_row else None
                yield Count(STRANGERS, of[None], failures, free, next_at, limit)


def _left(bucket: Bucket, rule: Rule, now: int) -> int:
    """The failures that are not forgotten yet."""
    return max(0, -(-(bucket.empty_at - now) // rule.period))


def _name(kind: Kind | None) -> str:
    return STRANGERS if kind is None else kind.name.lower()
