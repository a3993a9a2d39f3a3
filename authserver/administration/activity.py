"""The use case of activity: what happened over the last hour, day, week or month, in stretches of equal length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from authserver.administration.context import Administration
from authserver.administration.errors import Invalid
from authserver.records import activity
from authserver.records.activity import ACTIVE_SESSIONS, BUCKET_MS, REFRESH, REFUSAL, SIGN_IN, SIGN_OUT, Stretch

_MINUTE: Final = 60_000
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


@dataclass(frozen=True, slots=True)
class Span:
    """How far to look back, and how long each stretch is; both in milliseconds."""

    length: int
    width: int

    def starts(self, now: int) -> range:
        """When each stretch begins, the present one last. Each begins at a whole multiple of the width, in UTC."""
        last = now // self.width * self.width
        return range(last - self.length + self.width, last + self.width, self.width)


SPANS: Final[Mapping[str, Span]] = {
    "hour": Span(_HOUR, BUCKET_MS),
    "day": Span(_DAY, 30 * _MINUTE),
    "week": Span(7 * _DAY, 6 * _HOUR),
    "month": Span(30 * _DAY, _DAY),
}


@dataclass(frozen=True, slots=True)
class Report:
    """Figures over a span. `starts` has the beginning of each stretch in milliseconds since the epoch.

    Each list has a figure for each stretch; the last stretch is not over. `refreshes` has the outcomes that occurred,
    `refusals` the reasons. `active` has the most sessions that were live at once, or None if no node counted them.
    """

    span: str
    starts: Sequence[int]
    sign_ins: Sequence[int]
    sign_outs: Sequence[int]
    refreshes: Mapping[str, Sequence[int]]
    refusals: Mapping[str, Sequence[int]]
    active: Sequence[int | None]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show. Live sessions are something to show."""
        return not (any(self.sign_ins) or any(self.sign_outs) or self.refreshes or self.refusals or any(self.active))


def read(admin: Administration, span: str) -> Report:
    """What happened over a span, by its name in `SPANS`. Two statements.

    Raises:
        Invalid: there is no such span.
    """
    if span not in SPANS:
        raise Invalid(f"must be one of {', '.join(SPANS)}", field="span")
    starts = SPANS[span].starts(admin.database.now())
    with admin.database.autocommit() as connection:
        rows = activity.read(connection, since=starts[0], width=starts.step)
    return report(span, starts, rows)


def report(span: str, starts: range, rows: Iterable[Stretch]) -> Report:
    """Arrange the rows by series and stretch, with zero where there is no row. Pure."""
    counts: dict[str, list[int]] = {}
    active: list[int | None] = [None] * len(starts)
    for start, name, total, highest in rows:
        if start not in starts:
            continue  # from a node whose clock is ahead
        position = starts.index(start)
        if name == ACTIVE_SESSIONS:
            active[position] = int(highest)
        else:
            counts.setdefault(name, [0] * len(starts))[position] = int(total)
    nothing = [0] * len(starts)
    return Report(
        span,
        list(starts),
        counts.get(SIGN_IN, nothing),
        counts.get(SIGN_OUT, nothing),
        _series(counts, REFRESH),
        _series(counts, REFUSAL),
        active,
    )


def total(figures: Mapping[str, Sequence[int]]) -> list[int]:
    """The sum of several series, stretch by stretch; empty when there are none."""
    return [sum(stretch) for stretch in zip(*figures.values(), strict=True)]


def _series(counts: Mapping[str, Sequence[int]], prefix: str) -> dict[str, Sequence[int]]:
    """The series whose names begin with the prefix, the largest first."""
    series = {name.removeprefix(prefix): figures for name, figures in counts.items() if name.startswith(prefix)}
    return dict(sorted(series.items(), key=lambda item: (-sum(item[1]), item[0])))
