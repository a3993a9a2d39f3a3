"""Thieves of the simulation: each copies a refresh token and its access token once, and lives on the answers to it.

The owner goes on using the app on a network without losses. The question: how soon does the session end?
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
    """When the thief refreshes: so long after his last access token was issued, or after the owner, or at any time."""

    name: str
    after_issue: float | None = None
    #: He sees the owner refresh and comes so many seconds later, unless he knows that the owner's token did not change.
    watches: float | None = None

    def next_use(self, now: float, issued: float, dice: random.Random, *, pause: float) -> float:
        if self.watches is not None:
            return _NEVER
        if self.after_issue is not None:
            return max(now, issued + self.after_issue)
        return now + dice.expovariate(1 / pause)


THIEVES = (
    Thief("comes at any time"),
    # Apps refresh one to two minutes before `exp`: 90 s before, each of them is at most 30 s away.
    Thief("times himself by `exp`: with the app, 90 s before", after_issue=LIFETIME - 90),
    Thief("times himself by `exp`: right after it", after_issue=LIFETIME + 1),
    Thief("watches the owner, comes 1 s later each time", watches=1),
)


@dataclass(frozen=True)
class Theft:
    """One theft: whether a use was answered, and the seconds from the first use to the session's end, if it ended."""

    got_in: bool
    found_after: float | None


def theft(thief: int, policy: int, number: int) -> Theft:
    """Play one theft. Owner and thief do the same under each policy."""
    how, session = THIEVES[thief], POLICIES[policy].make()
    dice, chance = random.Random(f"owner {number}"), random.Random(f"thief {number}")
    usage = Usage(dice)
    now, token = usage.after(0.0), FIRST
    for _ in range(1 + dice.randrange(20)):
        token, refreshed = _answer(session.present(token, now)), now
        now = usage.after(now)
    # The thief copies both tokens at some time before the owner's next refresh.
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
                # Our server keeps the token within the window. A later use would put the thief ahead of the owner.
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
class TheftResults:
    """All thefts: the share that got in, seconds until half and nine of ten were found, the share never found."""

    got_in: float
    half: float
    nine_of_ten: float
    never: float


def play_thefts(thief: int, policy: int, thefts: int) -> TheftResults:
    """Play so many thefts. A theft that is never found lasts for ever."""
    all_of_them = [theft(thief, policy, number) for number in range(thefts)]
    times = sorted(_NEVER if one.found_after is None else one.found_after for one in all_of_them)
    return TheftResults(
        got_in=sum(one.got_in for one in all_of_them) / thefts,
        half=times[thefts // 2],
        nine_of_ten=times[thefts * 9 // 10],
        never=times.count(_NEVER) / thefts,
    )
