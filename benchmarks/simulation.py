"""Counts false sign-outs and undetected thefts under the rules of several servers, with devices.py and thieves.py.

Each device and each thief has its own seed, so the figures are the same on every machine.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

from benchmarks.chart import bars
from benchmarks.devices import DAYS, false_sign_outs
from benchmarks.rules import POLICIES
from benchmarks.thieves import THIEVES, TheftResults, play_thefts

LOSSES = (0.001, 0.005, 0.01, 0.05)
_AT_A_TIME = 100

TITLES = ["answers lost", *(policy.name for policy in POLICIES)]
THIEF_TITLES = ["thief", *(policy.name for policy in POLICIES)]


def sign_outs(*, quick: bool) -> tuple[list[list[float]], float]:
    """Return false sign-outs a device in DAYS days, by loss and policy, and refreshes a device and day."""
    devices = 200 if quick else 10_000
    with ProcessPoolExecutor() as pool:
        parts = [
            [pool.submit(false_sign_outs, loss, range(at, at + _AT_A_TIME)) for at in range(0, devices, _AT_A_TIME)]
            for loss in LOSSES
        ]
        results = [[part.result() for part in row] for row in parts]
    counted = [
        [sum(column) / devices for column in zip(*(counts for counts, _ in row), strict=True)] for row in results
    ]
    refreshes = sum(refreshes for row in results for _, refreshes in row)
    return counted, refreshes / (devices * DAYS * len(LOSSES))


def thefts(*, quick: bool) -> list[list[TheftResults]]:
    """Return the results of thefts, by thief and policy."""
    many = 100 if quick else 2_000
    with ProcessPoolExecutor() as pool:
        parts = [
            [pool.submit(play_thefts, thief, policy, many) for policy in range(len(POLICIES))]
            for thief in range(len(THIEVES))
        ]
        return [[part.result() for part in row] for row in parts]


def rows(counted: list[list[float]]) -> list[list[str]]:
    return [
        [f"{loss:.1%}", *(f"{_plain(one / DAYS)} ({_plain(one)})" for one in row)]
        for loss, row in zip(LOSSES, counted, strict=True)
    ]


def thief_rows(played: list[list[TheftResults]]) -> list[list[str]]:
    return [
        [
            thief.name,
            *(f"{one.got_in:.0%}; {_time(one.half)}; {_time(one.nine_of_ten)}; {one.never:.1%}" for one in row),
        ]
        for thief, row in zip(THIEVES, played, strict=True)
    ]


def chart(counted: list[list[float]]) -> str:
    """Return the first table as SVG."""
    groups = [f"{loss:.1%} of answers lost" for loss in LOSSES]
    return bars(f"False sign-outs a device in {DAYS} days, on a logarithmic scale", groups, TITLES[1:], counted, 0.001)


def _plain(value: float) -> str:
    """Return two significant digits without an exponent."""
    return f"{float(f'{value:.2g}'):.9f}".rstrip("0").rstrip(".")


def _time(seconds: float) -> str:
    if seconds == float("inf"):
        return "never"
    if seconds == 0:
        return "at once"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
