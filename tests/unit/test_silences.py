"""When a process knows that no write was committed, and how far back a retry window reaches then."""

import time

import pytest

from authserver.database.silences import Silences


def slack(silences: Silences, window: float = 1.0) -> float:
    """By how much a window reaches back further than it is long."""
    return silences.stretched(window) - window


def test_a_silence_lasts_from_the_first_failure_to_the_next_write():
    silences = Silences(timeout=0.01)
    silences.note_write()
    assert slack(silences) == 0
    time.sleep(0.05)
    silences.note_failure()
    began = time.monotonic()
    silences.note_failure()
    time.sleep(0.05)
    assert slack(silences) >= 0.05, "it counts while it lasts"
    silences.note_write()
    ended = time.monotonic()
    silences.note_write()
    assert 0.05 <= slack(silences) <= ended - began + 0.02
    time.sleep(0.02)
    assert slack(silences, 0.01) == 0, "a window that began after it is not longer"


def test_many_short_failures_do_not_drop_a_long_silence():
    silences = Silences(timeout=0.01)
    silences.note_failure()
    time.sleep(0.05)
    silences.note_write()
    for _ in range(200):
        silences.note_failure()
        silences.note_write()
    assert slack(silences) >= 0.05


@pytest.mark.parametrize(
    ("silent", "expected"),
    [
        ([], 30),
        ([(-20, -10)], 40),
        ([(-20, 0)], 50),
        ([(-100, -31)], 30),
        ([(-100, -29)], 101),
        ([(-60, -35), (-10, 0)], 65),
        ([(-10, -5), (-20, -15), (-50, -39)], 51),
        ([(-20, -10), (-15, -5)], 45),
        ([(-40, -5), (-30, -10)], 65),
    ],
)
def test_a_window_reaches_back_by_the_silences_in_it(silent: list[tuple[int, int]], expected: int):
    """Overlapping silences count once, and a silence that makes it reach back to another counts with that other."""
    silences, now = Silences(timeout=5), time.monotonic()
    silences.note_common([(now + begin, now + end) for begin, end in silent])
    assert silences.stretched(30) == pytest.approx(expected, abs=0.1)


def test_strict_single_use_stays_strict_in_a_silence():
    silences = Silences(timeout=5)
    silences.note_failure()
    assert silences.stretched(0) == 0
