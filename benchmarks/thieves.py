"""Thieves of the simulation: each copies a refresh token with its access token once, uses it, and goes on with what he gets.

The owner's network loses nothing, and the owner goes on using the app: how long does it take until the session ends?
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from benchmarks.devices import DAY, DAYS, LIFETIME, Usage
from benchmarks.rules import FIRST, POLICIES, WINDOW

HOUR = 3_600.0
_NEVER = float("inf")


@dataclass(frozen=True)
class Thief:
    """When he uses what he has: so long after his last access token was issued, or after the owner, or at any time."""

    name: str
    after_issue: float | None = None
    #: He sees the owner refresh, and comes this many seconds later, unless he knows that the token was kept.
    watches: float | None = None

    def next_use(self, now: float, issued: float, dice: random.Random, *, pause: float) -> float:
        if self.watches is not None:
            return _NEVER
        if self.after_issue is not None:
            return max(now, issued + self.after_issue)
        return now + dice.expovariate(1 / pause)


THIEVES = (
    Thief("comes at any time"),
    # Apps refresh one to two minutes before `exp`. In the middle of that none of them is further than 30 s away.
    Thief("times himself by `exp`: with the app, 90 s before", after_issue=LIFETIME - 90),
    Thief("times himself by `exp`: right after it", after_issue=LIFETIME + 1),
    Thief("watches the owner, comes 1 s later each time", watches=1),
)


@dataclass(frozen=True)
class Theft:
    """What came of one: whether any use was answered, and seconds from the first use to the session's end, if it ended."""

    got_in: bool
    found_after: float | None


def theft(thief: int, policy: int, number: int) -> Theft:
    """The same owner and the same thief for each policy."""
    how, session = THIEVES[thief], POLICIES[policy].make()
    dice, chance = random.Random(f"owner {number}"), random.Random(f"thief {number}")
    usage = Usage(dice)
    now, token = usage.after(0.0), FIRST
    for _ in range(1 + dice.randrange(20)):
        token, refreshed = _answer(session.present(token, now)), now
        now = usage.after(now)
    # Some time before the owner's next refresh he copies both tokens.
    stolen_at = dice.uniform(refreshed, now)
    loot, issued, owners = token, refreshed, now
    use = how.next_use(stolen_at, issued, chance, pause=6 * HOUR)
    first: float | None = None
    seen, got_in = float("-inf"), False
    while min(owners, use) < stolen_at + DAYS * DAY:
        now = min(owners, use)
        if owners <= use:
            answer = session.present(token, owners)
            token = answer or token
            if how.watches is not None and owners >= seen + WINDOW:
                # Within the window ours keeps the token, and a use after it would put him ahead of the owner.
                seen, use = owners, owners + how.watches
            owners = usage.after(owners)
        else:
            first = now if first is None else first
            answer = session.present(loot, now)
            got_in = got_in or answer is not None
            loot, issued = answer or loot, now
            use = how.next_use(now, issued, chance, pause=2 * HOUR)
        if answer is None:
            return Theft(got_in, 0.0 if first is None else now - first)
    return Theft(got_in, None)


def _answer(token: int | None) -> int:
    assert token is not None, "an owner alone is always answered"
    return token


@dataclass(frozen=True)
class Found:
    """Of all thefts: the share that got in, seconds until half and nine of ten were found, and the share that never was."""

    got_in: float
    half: float
    nine_of_ten: float
    never: float


def found(thief: int, policy: int, thefts: int) -> Found:
    """Play so many thefts. One that is never found counts as lasting for ever."""
    all_of_them = [theft(thief, policy, number) for number in range(thefts)]
    times = sorted(_NEVER if one.found_after is None else one.found_after for one in all_of_them)
    return Found(
        got_in=sum(one.got_in for one in all_of_them) / thefts,
        half=times[thefts // 2],
        nine_of_ten=times[thefts * 9 // 10],
        never=times.count(_NEVER) / thefts,
    )
