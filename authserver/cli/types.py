"""Types of options: durations as in the settings, times, and words in one text or in a repeated option."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import click

from authserver.settings.types import seconds


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


class Since(click.ParamType[int]):
    """A moment in milliseconds since the epoch, written as ISO 8601 (UTC unless it says otherwise)."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            self.fail('must be a time such as 2026-01-31 or 2026-01-31T12:00Z, or an age such as "15m"', param, ctx)
        return round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)


class Age(click.ParamType[str]):
    """An age such as 15m, or a moment. `is_age` tells which."""

    name = "age or time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        (DURATION if is_age(text) else SINCE).convert(text, param, ctx)
        return text


DURATION = Duration()
SINCE = Since()
AGE = Age()


def is_age(text: str) -> bool:
    return re.fullmatch(r"\d+ ?[smhdw]", text) is not None


def since(text: str, now: int) -> int:
    """The time of an age before `now`, or of a moment, in milliseconds since the epoch."""
    return now - DURATION.convert(text, None, None) * 1000 if is_age(text) else SINCE.convert(text, None, None)


def words(given: Iterable[str]) -> frozenset[str]:
    """A set from a repeated option whose values may hold several words."""
    return frozenset(word for value in given for word in value.split())


def changed_words(
    present: frozenset[str], exactly: Iterable[str], added: Iterable[str], removed: Iterable[str]
) -> frozenset[str]:
    """A set after an edit: replaced if it was given whole, then with words added and removed."""
    return ((words(exactly) or present) | words(added)) - words(removed)
