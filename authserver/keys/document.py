"""A key as programs read it: in the admin API, and in the JSON of the command line. Its secret is not shown."""

from __future__ import annotations

from typing import Any

from authserver.database.times import iso, iso_of
from authserver.keys.model import KeyRecord


def as_document(row: KeyRecord) -> dict[str, Any]:
    """Describe a row. Times are ISO 8601 in UTC."""
    return {
        "id": row.id,
        "kind": row.kind,
        "state": row.state,
        "algorithm": row.algorithm,
        "kid": row.kid,
        "leaked": row.leaked,
        "created_at": iso_of(row.created_at),
        "activated_at": iso(row.activated_at),
        "retired_at": iso(row.retired_at),
        "gone_at": iso(row.gone_at),
    }
