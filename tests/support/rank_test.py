"""The rank test of Mann and Whitney: whether values of one kind tend to be larger than those of another."""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc, sqrt


def p_value(one: Sequence[float], other: Sequence[float]) -> float:
    """The chance of a difference as large as this one, or larger, between samples of the same values. Two-sided.

    It asks for no form of distribution. Uses the normal approximation, which is good from about 20 samples on, and
    expects that hardly any two values are the same.
    """
    n, m = len(one), len(other)
    ranked = sorted([(value, True) for value in one] + [(value, False) for value in other])
    ranks = sum(rank for rank, (_, is_one) in enumerate(ranked, start=1) if is_one)
    score = (ranks - n * (n + m + 1) / 2) / sqrt(n * m * (n + m + 1) / 12)
    return erfc(abs(score) / sqrt(2))
