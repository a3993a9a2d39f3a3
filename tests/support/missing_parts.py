"""Skips a test whose part the machine lacks, or fails it if TESTS_REQUIRE names the part."""

import os
from typing import NoReturn

import pytest


def missing(part: str, how: str) -> NoReturn:
    """Skip the test and say how to get `part` (the name of a pytest marker, such as "postgresql" or "node").

    With `part` in TESTS_REQUIRE (comma-separated, as .ci/run sets it) the test fails instead, because a skipped test
    proves nothing.
    """
    if part in required():
        pytest.fail(f"{part} is required here and missing: {how}", pytrace=False)
    pytest.skip(f"{part} is missing: {how}")


def required() -> set[str]:
    """The parts that may not be missing; with "everything" among them no test may be skipped for any reason."""
    return set(os.environ.get("TESTS_REQUIRE", "").replace(" ", "").split(",")) - {""}
