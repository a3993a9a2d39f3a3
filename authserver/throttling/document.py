"""A count as JSON, for the command line and the admin API."""

from __future__ import annotations

from typing import Any

from authserver.database.times import iso
from authserver.throttling.viewing import Count


def as_document(count: Count) -> dict[str, Any]:
    """The members are a part of the admin API."""
    failures, most = count.in_a_row or (None, None)
    return {
        "count": count.kind,
        "of": count.of,
        "failures": count.failures,
        "free": count.free,
        "next_attempt_at": iso(count.next_at),
        "in_a_row": failures,
        "in_a_row_free": most,
    }
