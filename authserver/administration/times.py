"""Times for programs."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(milliseconds: int | None) -> str | None:
    """A time for programs: ISO 8601 in UTC, with milliseconds."""
    return None if milliseconds is None else iso_of(milliseconds)


def iso_of(milliseconds: int) -> str:
    """As `iso`, of what is there."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
