"""The values that sessions give to the rest of the server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from authserver.clients.model import Client
from authserver.sessions.model import SessionRecord
from authserver.sessions.refresh_token import RefreshToken


class Outcome(StrEnum):
    """How a refresh was answered; a metric's label."""

    ROTATED = "rotated"
    KEPT = "kept"
    RETRIED = "retried"
    RETRIED_LATE = "retried_late"
    ADOPTED = "adopted"


class Session(Protocol):
    """The columns of a session that tokens are made from. Times are in milliseconds since the epoch.

    `access_expires_at` is when the last access token expires. The row has it before the token is made: an ended session
    leaves the status list at that time, with leeway.
    """

    id: UUID
    user_id: UUID
    subject: str | None
    scopes: frozenset[str]
    audiences: frozenset[str]
    roles: frozenset[str]
    auth_time: int
    status_index: int
    access_expires_at: int
    idle_expires_at: int
    absolute_expires_at: int


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """A new session, its first refresh token if the client has the grant, and the database's time in milliseconds."""

    session: Session
    refresh_token: RefreshToken | None
    now: int


@dataclass(frozen=True, slots=True, repr=False)
class Refreshed:
    """An answered refresh: the session, its current token, and the database's time in milliseconds.

    `client` is the copy that the decision used: newer than the caller's copy if the row showed that copy to be old.
    """

    session: Session
    refresh_token: RefreshToken
    outcome: Outcome
    now: int
    client: Client


def expires_at(row: Session) -> int:
    """When a session expires."""
    return min(row.idle_expires_at, row.absolute_expires_at)


def is_live(row: SessionRecord, now: int, *, epoch: int = 0) -> bool:
    """Whether a session is live at `now`, by the database's clock. `store.LIVE` says the same in SQL.

    `epoch` is the client's: a session of an earlier epoch has ended, even before the sweep reaches its row.
    """
    return row.revoked_at is None and row.client_epoch >= epoch and expires_at(row) > now
