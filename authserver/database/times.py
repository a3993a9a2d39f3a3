"""Times of the database, in milliseconds since the epoch, as programs read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal


def iso(milliseconds: int | None) -> str | None:
    """ISO 8601 in UTC, with milliseconds; None where there is no time."""
    return None if milliseconds is None else iso_of(milliseconds)


def iso_of(milliseconds: int, to: Literal["milliseconds", "seconds"] = "milliseconds") -> str:
    """ISO 8601 in UTC, cut to milliseconds or seconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec=to).replace("+00:00", "Z")
