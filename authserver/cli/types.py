"""Types of options: durations as in the settings, times, and words in one text or in a repeated option."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from authserver.settings.types import seconds

Command = TypeVar("Command", bound=Callable[..., Any])


class Duration(click.ParamType[int]):
    """Whole seconds, written 900 or 15m, 12h, 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            converted = seconds(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)
        if not isinstance(converted, int):
            self.fail("must be whole seconds", param, ctx)
        return converted


class Since(click.ParamType[Callable[[int], int]]):
    """A time, written as an age such as 15m, or as ISO 8601 (UTC unless it says otherwise).

    The value is a function from the time of the database, which ages count from. Both are milliseconds since the epoch.
    """

    name = "age or time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Callable[[int], int]:
        if re.fullmatch(r"\d+ ?[smhdw]", value):
            age = DURATION.convert(value, param, ctx) * 1000
            return lambda now: now - age
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            self.fail('must be a time such as 2026-01-31 or 2026-01-31T12:00Z, or an age such as "15m"', param, ctx)
        at = round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)
        return lambda _now: at


DURATION = Duration()
SINCE = Since()


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one, in their order."""

    def give(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return give


def words(given: Iterable[str]) -> frozenset[str]:
    """A set from a repeated option whose values may hold several words."""
    return frozenset(word for value in given for word in value.split())


def changed_words(
    present: frozenset[str], exactly: Iterable[str], added: Iterable[str], removed: Iterable[str]
) -> frozenset[str]:
    """A set after an edit: replaced if it was given whole, then with words added and removed."""
    return ((words(exactly) or present) | words(added)) - words(removed)
