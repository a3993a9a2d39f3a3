"""A user as programs read it: in the admin API, and in the JSON of the command line. The password's hash is not shown."""

from __future__ import annotations

from typing import Any

from authserver.database.times import iso_of
from authserver.users.model import UserRecord, name_of
from authserver.users.subjects import subject_of


def as_document(row: UserRecord) -> dict[str, Any]:
    """Describe a row. Roles are sorted; times are ISO 8601 in UTC."""
    return {
        "id": str(row.id),
        "subject": subject_of(row.subject, row.id),
        "username": name_of(row),
        "email": row.email,
        "roles": sorted(row.roles),
        "enabled": row.enabled,
        "has_password": row.password_hash is not None,
        "created_at": iso_of(row.created_at),
        "changed_at": iso_of(row.changed_at),
    }
