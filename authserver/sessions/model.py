"""A session: one sign-in of one user through one client on one device. It has one row for its whole life.

A refresh changes no indexed column: so PostgreSQL updates in place (HOT), and no index grows with refreshes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Index, Integer, LargeBinary, String, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from authserver.database.tables import Model, WordSet

_REVOKED = text("revoked_at IS NOT NULL")


class End(StrEnum):
    """Why a session was ended; stored."""

    SIGNED_OUT = "signed_out"
    ENDED_BY_ADMINISTRATOR = "ended_by_administrator"
    PASSWORD_RESET = "password_reset"
    PASSWORD_CHANGED = "password_changed"
    ENDED_BY_USER = "ended_by_user"
    USER_DISABLED = "user_disabled"
    USER_REMOVED = "user_removed"
    CLIENT_ENDED = "client_ended"
    REUSE = "reuse"
    CAP = "cap"
    UNSEEN = "unseen"


class SessionRecord(Model):
    """One session. Times are in milliseconds, by the database's clock. Digests are SHA-256 of refresh token secrets."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_user_id", "user_id"),
        Index("ix_sessions_client_id", "client_id"),
        # For the status lists. It has ended sessions only, so a refresh does not change it.
        Index("ix_sessions_revoked", "status_index", sqlite_where=_REVOKED, postgresql_where=_REVOKED),
        {"postgresql_with": {"fillfactor": 70}},
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid)
    client_id: Mapped[str] = mapped_column(String(32))
    client_epoch: Mapped[int] = mapped_column(Integer)
    scopes: Mapped[frozenset[str]] = mapped_column(WordSet)
    audiences: Mapped[frozenset[str]] = mapped_column(WordSet)
    roles: Mapped[frozenset[str]] = mapped_column(WordSet)
    auth_time: Mapped[int] = mapped_column(BigInteger)
    auth_methods: Mapped[frozenset[str]] = mapped_column(WordSet)
    status_index: Mapped[int] = mapped_column(BigInteger, unique=True)

    # The refresh token. The session of a client without the grant has no refresh token and no digests.
    generation: Mapped[int] = mapped_column(BigInteger)
    current_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    current_presented: Mapped[bool] = mapped_column(Boolean)  # the current token was used, so a client has received it
    previous_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    salt: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    token_key_id: Mapped[int] = mapped_column(Integer)
    rotated_at: Mapped[int | None] = mapped_column(BigInteger)
    retries: Mapped[int] = mapped_column(Integer)  # in its whole life
    recent_retries: Mapped[int] = mapped_column(Integer)  # since the last rotation
    late_retries: Mapped[int] = mapped_column(Integer)  # in its whole life
    recent_late_retries: Mapped[int] = mapped_column(Integer)  # since the last normal rotation

    created_at: Mapped[int] = mapped_column(BigInteger)
    last_used_at: Mapped[int] = mapped_column(BigInteger)
    access_expires_at: Mapped[int] = mapped_column(BigInteger)  # when the last access token expires
    idle_expires_at: Mapped[int] = mapped_column(BigInteger)
    absolute_expires_at: Mapped[int] = mapped_column(BigInteger)
    revoked_at: Mapped[int | None] = mapped_column(BigInteger)
    revoked_because: Mapped[str | None] = mapped_column(String(30))

    device_name: Mapped[str | None] = mapped_column(Text)
    last_address: Mapped[str | None] = mapped_column(String(45))
    last_user_agent: Mapped[str | None] = mapped_column(String(200))

    subject: Mapped[str | None] = mapped_column(String(255))  # the user's, so that a refresh need not read the user

    if TYPE_CHECKING:
        recovering: bool  # only in rows that `store.read` returns: whether a recovery is on


class RecoveryRecord(Model):
    """A recovery that an operator has declared; on until `until`. Times are in milliseconds. The newest row counts."""

    __tablename__ = "recoveries"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    started_at: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[int] = mapped_column(BigInteger)
