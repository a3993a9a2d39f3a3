"""A session as programs read it: in the admin API, in the JSON of the command line, and in its user's download."""

from __future__ import annotations

from typing import Any

from authserver.database.times import iso, iso_of
from authserver.sessions.model import SessionRecord
from authserver.sessions.values import is_live
from authserver.users.subjects import subject_of


def as_document(row: SessionRecord, username: str | None = None) -> dict[str, Any]:
    """Describe a row that has the database's time as `now`. Sets are sorted; times are ISO 8601 in UTC."""
    return {
        "id": str(row.id),
        "user_id": str(row.user_id),
        "subject": subject_of(row.subject, row.user_id),
        "username": username,
        "client_id": row.client_id,
        "scopes": sorted(row.scopes),
        "audiences": sorted(row.audiences),
        "roles": sorted(row.roles),
        "live": is_live(row, row.now),
        "created_at": iso_of(row.created_at),
        "last_used_at": iso_of(row.last_used_at),
        "idle_expires_at": iso_of(row.idle_expires_at),
        "absolute_expires_at": iso_of(row.absolute_expires_at),
        "revoked_at": iso(row.revoked_at),
        "revoked_because": row.revoked_because,
        "generation": row.generation,
        "retries": row.retries,
        "late_retries": row.late_retries,
        "device_name": row.device_name,
        "last_address": row.last_address,
        "last_user_agent": row.last_user_agent,
    }
