"""All data that the server has about a user, for that user: without digests, hashes, tokens and others' addresses."""

from __future__ import annotations

from typing import Any

from authserver.account import words
from authserver.account.use_cases import Account
from authserver.database.times import iso
from authserver.pages.model import VisitRecord
from authserver.pages.pages import Pages
from authserver.pages.visits import Visit
from authserver.sessions.document import as_document
from authserver.sessions.model import SessionRecord
from authserver.users.model import name_of
from authserver.users.subjects import subject_of

_MOST_EVENTS = 10_000
#: The members of a session, in their order.
_OF_SESSION = (
    "id", "client_id", "client_name", "scopes", "audiences", "roles", "device_name", "last_address", "last_user_agent",
    "created_at", "last_used_at", "idle_expires_at", "absolute_expires_at", "revoked_at", "revoked_because",
)  # fmt: skip


def everything(account: Account, pages: Pages, visit: Visit) -> dict[str, Any]:
    """Make one document. Its members have the names of the columns."""
    profile = account.profile(visit.user_id)
    sessions = account.all_sessions(visit.user_id)
    names = account.client_names(sessions)
    events = account.events(visit.user_id, limit=_MOST_EVENTS + 1)
    return {
        "made_at": iso(visit.now),
        "user": {
            "id": str(profile.id),
            "subject": subject_of(profile.subject, profile.id),
            "username": name_of(profile),
            "email": profile.email,
            "roles": sorted(profile.roles),
            "enabled": profile.enabled,
            "created_at": iso(profile.created_at),
            "changed_at": iso(profile.changed_at),
        },
        "sessions": [_session(row, names.get(row.client_id)) for row in sessions],
        "visits": [_visit(row) for row in pages.visits.of_user(visit.user_id)],
        "events": [words.as_document(row) for row in events[:_MOST_EVENTS]],
        "events_complete": len(events) <= _MOST_EVENTS,
    }


def _session(row: SessionRecord, client_name: str | None) -> dict[str, Any]:
    known = {**as_document(row), "client_name": client_name}
    return {name: known[name] for name in _OF_SESSION}


def _visit(row: VisitRecord) -> dict[str, Any]:
    return {
        "opened_at": iso(row.opened_at),
        "last_used_at": iso(row.last_used_at),
        "expires_at": iso(row.expires_at),
        "address": row.address,
        "user_agent": row.user_agent,
    }
