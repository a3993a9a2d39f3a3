"""The rank test finds a difference that is there, and seldom one that is not."""

from __future__ import annotations

import random

import pytest

from tests.support.rank_test import p_value

CHANCE = random.Random(1)


def some(count: int, *, later: float = 0) -> list[float]:
    """Times with the long tail that answers of a server have."""
    return [CHANCE.lognormvariate(0, 0.5) + later for _ in range(count)]


def test_among_equal_samples_one_in_ten_seems_different_at_a_tenth():
    seeming = sum(p_value(some(100), some(100)) < 0.1 for _ in range(1000))
    assert 60 < seeming < 140


@pytest.mark.parametrize(("one", "other"), [(0.2, 0), (0, 0.2)])
def test_a_small_shift_of_all_is_found_in_either_direction(one: float, other: float):
    assert p_value(some(2000, later=one), some(2000, later=other)) < 1e-6


def test_the_figure_is_that_of_the_tables():
    # All of five below all of five: U = 0, z = -2.611.
    assert p_value([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(0.00902, abs=0.0001)
