"""What users may do with what is theirs. Every statement has the user's id in it: nobody reaches for another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from authserver.database import AnyRow, Database
from authserver.sessions import listing
from authserver.settings import Settings
from authserver.users.hashing import PasswordHasher

_MOST_SESSIONS = 200


@dataclass(frozen=True, slots=True)
class Account:
    """Built once, safe for threads."""

    database: Database
    settings: Settings
    hasher: PasswordHasher

    def sessions(self, user_id: UUID) -> Sequence[AnyRow]:
        """The user's live sessions, newest first."""
        return listing.list_sessions(self.database, user_id=user_id, limit=_MOST_SESSIONS)
