"""Honest devices of the simulation: when their apps refresh, how their requests fail, and which server signs them out.

The refreshes of a device are drawn once and played against the rules of every server, so all have the same bad luck.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.rules import FIRST, POLICIES, Policy

DAYS = 30
DAY = 86_400
LIFETIME = 900
#: An app is open for 65 minutes and then closed for two hours and a half (means).
OPEN, CLOSED = 3_900.0, 9_000.0
#: An open app starts anew once an hour (a page is loaded, an app restarts), and each start refreshes.
RESTART = 3_600.0
#: Shares of requests after which the app ends before the answer: the system kills it until the user is back (2 hours),
#: or a reload or a crash ends it for some seconds.
KILLED, RELOADED, AWAY, SECONDS = 0.001, 0.001, 7_200.0, (1.0, 5.0)
#: After a lost answer the network is gone for 20 s (mean). The app waits for the answer. Then it tries again with
#: growing pauses of up to a minute, which jitter shortens.
OUTAGE, TIMEOUT, FIRST_PAUSE, LONGEST_PAUSE = 20.0, 8.0, 0.25, 60.0
#: One device in five has tabs that do not wait for each other. In one of its 100 refreshes two tabs refresh at once.
WITH_TABS, AT_ONCE, APART = 0.2, 0.01, 0.3


class Request(NamedTuple):
    """One request of a refresh. All requests of a refresh present the token that the device held at first."""

    at: float
    answered: bool


class Usage:
    """When the app of one device refreshes."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._closes = 0.0

    def after(self, now: float) -> float:
        """Return when an app with an answer now refreshes next: a minute or two before expiry, or at its next start."""
        draw = self._dice.expovariate
        if now > self._closes:
            self._closes = now + draw(1 / OPEN)  # the app is open, because it got an answer
        following = now + min(LIFETIME - self._dice.uniform(60, 120), draw(1 / RESTART))
        if following <= self._closes:
            return following
        opened = self._closes + draw(1 / CLOSED)
        self._closes = opened + draw(1 / OPEN)
        return opened


def life(loss: float, dice: random.Random, days: float = DAYS) -> Iterator[list[Request]]:
    """Yield all refreshes of one device."""
    usage = Usage(dice)
    tabs = AT_ONCE if dice.random() < WITH_TABS else 0.0
    now = usage.after(-dice.expovariate(1 / CLOSED))
    while now < days * DAY:
        requests: list[Request] = []
        if now >= 0:
            if dice.random() < tabs:
                # The request of the other tab comes a little later with the same token.
                requests = [Request(now, dice.random() >= loss), Request(now + APART, dice.random() >= loss)]
                if any(one.answered for one in requests):
                    yield requests
                    now = usage.after(requests[-1].at)
                    continue
                now = requests[-1].at + _outage(dice)
            requests.extend(_until_answered(now, loss, dice))
            yield requests
            now = requests[-1].at
        now = usage.after(now)


def _until_answered(now: float, loss: float, dice: random.Random) -> Iterator[Request]:
    while True:
        fate = dice.random()
        yield Request(now, fate >= loss + KILLED + RELOADED)
        if fate < loss:
            now += _outage(dice)
        elif fate < loss + KILLED:
            now += dice.expovariate(1 / AWAY)
        elif fate < loss + KILLED + RELOADED:
            now += dice.uniform(*SECONDS)
        else:
            return


def _outage(dice: random.Random) -> float:
    """Return the seconds from a request whose answer is lost to the first one that reaches the server again."""
    end, now, pause = dice.expovariate(1 / OUTAGE), TIMEOUT, FIRST_PAUSE
    while True:
        now += pause * dice.uniform(0.5, 1)
        if now > end:
            return now
        pause = min(pause * 2, LONGEST_PAUSE)


def sign_outs(policy: Policy, refreshes: Iterator[list[Request]]) -> int:
    """Return how often an honest device is signed out. It signs in again at once."""
    session, token, count = policy.make(), FIRST, 0
    for requests in refreshes:
        held = token
        for request in requests:
            got = session.present(held, request.at)
            if got is None:
                count += 1
                session, token = policy.make(), FIRST
                break
            if request.answered:
                token = got
    return count


def false_sign_outs(loss: float, devices: range) -> tuple[list[int], int]:
    """Return the sign-outs of these devices in DAYS days for each policy, and the number of their refreshes."""
    counts, refreshes = [0] * len(POLICIES), 0
    for device in devices:
        lived = list(life(loss, random.Random(f"device {device}, {loss} lost")))
        refreshes += len(lived)
        for position, policy in enumerate(POLICIES):
            counts[position] += sign_outs(policy, iter(lived))
    return counts, refreshes
