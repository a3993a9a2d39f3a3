"""The rules of throttling: what is counted, how much is free, and how long a delay is. Pure; times are in milliseconds.

A bucket is a level that falls by one every `period`. Its row has two times: `empty_at`, when the level is down to
nothing, and `charged_at`, the last charge. Level and delay follow from these two in whole numbers, so Python, SQLite and
PostgreSQL compute the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from authserver.settings.values import ThrottlingSettings

DAY: Final = 86_400_000
#: The first delay. Each further one is twice as long.
SHORTEST: Final = 1000
_UNLIMITED: Final = 1 << 30

# How fast buckets forget that many users share, in milliseconds for one failure. An address with some thousand users has
# a few thousand wrong passwords a day. A program with a wrong secret repeats itself quickly, and is no danger.
_ADDRESS_PERIOD: Final = 10_000
_NETWORK_PERIOD: Final = 3_000
_SECRET_PERIOD: Final = 60_000
#: Through such a client one person delays the users whose names they know. So the delay is bearable there.
_BACKEND_LONGEST: Final = 60_000
#: A /48 of IPv6 may hold many sites.
_NETWORK_SHARE: Final = 4


class Kind(IntEnum):
    """What a bucket counts. The number is stored, and is the order in which an attempt locks its buckets."""

    ADDRESS = 1  # wrong passwords from an IPv4 /24 or an IPv6 /64
    NETWORK = 2  # the same from an IPv6 /48
    PLACE = 3  # wrong passwords of an account from one place
    CONFIRMATION = 4  # wrong passwords typed in one visit
    LINK = 5  # wrong one-time links from one place
    CLIENT = 6  # wrong secrets of a client from one place
    DEVICE = 7  # wrong passwords of a user from one known device
    BACKEND = 8  # wrong passwords of an account through a client that hides its users' addresses


#: The kinds of an account at its origin. A success clears them.
CLEARED: Final = (Kind.PLACE, Kind.CONFIRMATION, Kind.DEVICE, Kind.BACKEND)


@dataclass(frozen=True, slots=True)
class Rule:
    """`free` attempts have no delay. One is forgotten in each `period`. No delay is longer than `longest`.

    `reach` is a level that the bucket has to reach, though no delay is longer there.
    """

    free: int
    period: int
    longest: int
    reach: int = 0

    @property
    def is_off(self) -> bool:
        return self.free == _UNLIMITED

    @property
    def delays(self) -> tuple[int, ...]:
        """The delays after the last free attempt and after each further one. The last of them stays."""
        doubled = [SHORTEST]
        while doubled[-1] * 2 < self.longest:
            doubled.append(doubled[-1] * 2)
        return (*doubled, self.longest) if self.longest > SHORTEST else (self.longest,)

    @property
    def fullest(self) -> int:
        """The most milliseconds that a bucket needs to become empty: beyond that, a level would only last longer."""
        return (max(self.free, self.reach) + len(self.delays)) * self.period


@dataclass(frozen=True, slots=True)
class Bucket:
    """The two times of a bucket."""

    empty_at: int
    charged_at: int

    def level(self, rule: Rule) -> int:
        """The level right after the last charge, rounded up."""
        return -(-(self.empty_at - self.charged_at) // rule.period)

    def free_at(self, rule: Rule) -> int:
        """When the next attempt may come."""
        over = self.level(rule) - rule.free
        return self.charged_at + (0 if over < 0 else rule.delays[min(over, len(rule.delays) - 1)])

    def has_room(self, rule: Rule, now: int) -> bool:
        """Whether one more attempt is still among the free ones."""
        return self.empty_at - now <= (rule.free - 1) * rule.period


@dataclass(frozen=True, slots=True)
class Strangers:
    """What all strangers together have tried at an account."""

    bucket: Bucket
    failures: int
    halved_at: int

    def in_a_row(self, now: int) -> int:
        """The failures in a row, halved for each whole day."""
        return self.failures >> max(0, now - self.halved_at) // DAY

    def free_at(self, rules: Rules, now: int, *, first: bool) -> int:
        """When the next stranger may try. `first` says that it is among the first attempts of its place."""
        if self.in_a_row(now) >= rules.in_a_row:
            return self.bucket.charged_at + rules.account.longest
        return 0 if first and self.bucket.has_room(rules.first, now) else self.bucket.free_at(rules.account)


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of a server. `account` is for the strangers at an account, all together, as is `in_a_row`."""

    address: Rule
    network: Rule
    place: Rule
    confirmation: Rule
    link: Rule
    client: Rule
    device: Rule
    backend: Rule
    account: Rule
    in_a_row: int

    @classmethod
    def of(cls, settings: ThrottlingSettings) -> Rules:
        """Make the rules from the settings, where 0 switches one off."""
        longest = settings.longest_delay * 1000
        bearable = min(longest, _BACKEND_LONGEST)

        def rule(free: int, period: int, longest: int = longest) -> Rule:
            return Rule(free or _UNLIMITED, period, longest)

        # A bucket of one account or link forgets one failure in the time of the longest delay: an attacker who tries again
        # at the end of each delay stays at the longest.
        return cls(
            address=rule(settings.address, _ADDRESS_PERIOD),
            network=rule(settings.address * _NETWORK_SHARE, _NETWORK_PERIOD),
            place=rule(settings.place, longest),
            confirmation=rule(settings.place, longest),
            link=rule(settings.link, _SECRET_PERIOD),
            client=rule(settings.client_secret, _SECRET_PERIOD),
            device=rule(settings.place, longest),
            backend=rule(settings.place, bearable, bearable),
            account=replace(rule(settings.strangers, longest), reach=settings.strangers_in_a_row),
            in_a_row=settings.strangers_in_a_row or _UNLIMITED,
        )

    def of_kind(self, kind: Kind) -> Rule:
        """The rule of a kind of buckets."""
        rule: Rule = getattr(self, kind.name.lower())
        return rule

    @property
    def first(self) -> Rule:
        """Which level of the strangers' bucket has no delay for the first attempts of a place.

        A success ends the failures in a row, and not the level. Without this limit many places would have all their
        first attempts again at each sign-in of the user.
        """
        return replace(self.account, free=self.in_a_row)

    @property
    def counts_in_a_row(self) -> bool:
        return self.in_a_row != _UNLIMITED

    @property
    def counts_strangers(self) -> bool:
        return not self.account.is_off or self.counts_in_a_row
