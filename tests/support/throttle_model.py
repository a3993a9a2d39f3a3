"""The rule of throttling, written a second time: the tests compare the server with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from authserver.throttling.policy import Kind, Rules

DAY = 86_400_000


@dataclass
class ModelBucket:
    """A level that falls steadily, and the time until which no attempt is taken."""

    free: int
    period: int
    longest: int
    level: float = 0.0
    at: int = 0

    def left(self, now: int) -> float:
        return max(0.0, self.level - (now - self.at) / self.period)

    @property
    def free_at(self) -> int:
        over = -int(-self.level // 1) - self.free  # rounded up
        return self.at if over < 0 else self.at + min(self.longest, 1000 * 2 ** min(over, 20))

    def takes(self, now: int) -> bool:
        return now >= self.free_at

    def charge(self, now: int) -> None:
        self.level, self.at = round(self.left(now) + 1, 9), now

    def attempt(self, now: int) -> bool:
        """Charge an attempt if it is taken."""
        taken = self.takes(now)
        if taken:
            self.charge(now)
        return taken


@dataclass
class Model:
    """Strangers at one account from any number of places, each with an address of its own."""

    rules: Rules
    buckets: dict[tuple[Kind, str], ModelBucket] = field(default_factory=dict)
    failures: int = 0
    since: int | None = None

    def __post_init__(self) -> None:
        rule = self.rules.account
        self.account = ModelBucket(rule.free, rule.period, rule.longest)

    def attempt(self, place: str, now: int) -> bool:
        """A wrong password from a place. Returns whether it is taken."""
        mine = [self.bucket(kind, place) for kind in (Kind.ADDRESS, Kind.PLACE)]
        first = -int(-(mine[1].left(now) + 1) // 1) <= self.rules.place.free
        if self.since is None:
            self.since = now
        days = (now - self.since) // DAY
        failures = self.failures >> days
        if failures >= self.rules.in_a_row:
            is_open = now >= self.account.at + self.rules.account.longest
        else:
            is_open = (first and self.account.left(now) + 1 <= self.rules.in_a_row) or self.account.takes(now)
        if not is_open or not all(bucket.takes(now) for bucket in mine):
            return False
        for bucket in (*mine, self.account):
            bucket.charge(now)
        self.failures, self.since = failures + 1, self.since + days * DAY
        return True

    def success(self) -> None:
        """The owner signs in from a known place."""
        self.failures = 0

    def bucket(self, kind: Kind, place: str) -> ModelBucket:
        rule = self.rules.of_kind(kind)
        return self.buckets.setdefault((kind, place), ModelBucket(rule.free, rule.period, rule.longest))
