"""Honest devices of the simulation: when an app refreshes, what happens to its requests, and whom each server signs out.

What befalls a device is drawn once and played against the rules of every server: the same bad luck for all.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.rules import FIRST, POLICIES, Policy

DAYS = 30
DAY = 86_400
LIFETIME = 900
#: An app is open for 65 minutes, then closed for two hours and a half (means).
OPEN, CLOSED = 3_900.0, 9_000.0
#: While it is open it is started anew once an hour (a page is loaded, an app restarted), and each start refreshes.
RESTART = 3_600.0
#: Of all requests: the app is ended between request and answer, by the system until the user is back (2 hours), or by a
#: reload or a crash for some seconds.
KILLED, RELOADED, AWAY, SECONDS = 0.001, 0.001, 7_200.0, (1.0, 5.0)
#: A lost answer means a network that is gone for 20 s (mean). The app waits for the answer, then tries again with growing
#: pauses of up to a minute, each shortened by chance.
OUTAGE, TIMEOUT, FIRST_PAUSE, LONGEST_PAUSE = 20.0, 8.0, 0.25, 60.0
#: One device in five has tabs that do not wait for each other; in one of a hundred refreshes two come at once.
WITH_TABS, AT_ONCE, APART = 0.2, 0.01, 0.3


class Request(NamedTuple):
    """All requests of one refresh bring the same token: the one that the device held when it began."""

    at: float
    answered: bool


class Usage:
    """When the app of one device refreshes."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._closes = 0.0

    def after(self, now: float) -> float:
        """The next refresh of an app that was answered just now: a minute or two before expiry, or at its next start."""
        draw = self._dice.expovariate
        if now > self._closes:
            self._closes = now + draw(1 / OPEN)  # somebody opened it, or there would have been no answer
        following = now + min(LIFETIME - self._dice.uniform(60, 120), draw(1 / RESTART))
        if following <= self._closes:
            return following
        opened = self._closes + draw(1 / CLOSED)
        self._closes = opened + draw(1 / OPEN)
        return opened


def life(loss: float, dice: random.Random, days: float = DAYS) -> Iterator[list[Request]]:
    """All refreshes of one device."""
    usage = Usage(dice)
    tabs = AT_ONCE if dice.random() < WITH_TABS else 0.0
    now = usage.after(-dice.expovariate(1 / CLOSED))
    while now < days * DAY:
        requests: list[Request] = []
        if now >= 0:
            if dice.random() < tabs:
                # The other tab's request overtakes nothing: it comes a little later, with the same token.
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
    """How long after a request whose answer got lost the first one comes that reaches the server again."""
    end, now, pause = dice.expovariate(1 / OUTAGE), TIMEOUT, FIRST_PAUSE
    while True:
        now += pause * dice.uniform(0.5, 1)
        if now > end:
            return now
        pause = min(pause * 2, LONGEST_PAUSE)


def sign_outs(policy: Policy, refreshes: Iterator[list[Request]]) -> int:
    """How often a device is signed out that did nothing wrong. It signs in again at once."""
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
    """Sign-outs of these devices in all the days, one figure for each policy; and how often they refreshed."""
    counts, refreshes = [0] * len(POLICIES), 0
    for device in devices:
        lived = list(life(loss, random.Random(f"device {device}, {loss} lost")))
        refreshes += len(lived)
        for place, policy in enumerate(POLICIES):
            counts[place] += sign_outs(policy, iter(lived))
    return counts, refreshes
