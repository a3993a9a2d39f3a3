"""Recognises an app at a sign-in by the refresh token that it still holds. Reads only: it moves, reports and ends nothing."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from authserver.clients.model import Client
from authserver.database.engine import Database
from authserver.refusals.exceptions import Refused
from authserver.sessions import store
from authserver.sessions.model import End, SessionRecord
from authserver.sessions.refresh_token import RefreshToken
from authserver.sessions.rotation import Rotation
from authserver.sessions.values import expires_at
from authserver.users.places import LASTS_MS


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose session it is that a refresh token belongs to."""

    user_id: UUID
    session_id: UUID


def holder(database: Database, rotation: Rotation, text: str, client: Client) -> Holder | None:
    """Find the user of a refresh token of this client. One statement, and none for a text that this server did not make.

    The token is the session's current one or its predecessor. The session is live, or has expired or was ended by a
    sign-out within 90 days and still has its row. One that ended for another reason counts never: reuse, for
    instance, means that somebody else has its tokens.
    """
    try:
        token, leaked = rotation.genuine(text)
    except Refused:
        return None
    with database.autocommit() as connection:
        row = store.read(connection, token.session_id)
    if row is None or leaked or not _vouches(row, token, client):
        return None
    return Holder(row.user_id, row.id)


def _vouches(row: SessionRecord, token: RefreshToken, client: Client) -> bool:
    if row.client_id != client.client_id or row.client_epoch < client.epoch:
        return False
    if token.digest not in (row.current_digest, row.previous_digest):
        return False
    if row.revoked_at is not None and row.revoked_because != End.SIGNED_OUT.value:
        return False
    over_at = expires_at(row) if row.revoked_at is None else min(row.revoked_at, expires_at(row))
    return row.now - over_at < LASTS_MS
