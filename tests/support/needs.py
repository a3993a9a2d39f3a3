"""A part that a test needs and the machine lacks: skipped loudly, or failed where TESTS_REQUIRE names it."""

import os
from typing import NoReturn

import pytest


def missing(part: str, how: str) -> NoReturn:
    """Skip the test and say how to get `part` (the name of a pytest marker, such as "postgresql" or "node").

    With `part` in TESTS_REQUIRE (comma-separated, as .ci/run sets it) the test fails instead: a suite that
    skips in silence what it was meant to prove proves nothing.
    """
    if part in required():
        pytest.fail(f"{part} is required here and missing: {how}", pytrace=False)
    pytest.skip(f"{part} is missing: {how}")


def required() -> set[str]:
    """The parts that may not be missing; with "everything" among them no test may be skipped, whatever its reason."""
    return set(os.environ.get("TESTS_REQUIRE", "").replace(" ", "").split(",")) - {""}
