"""A user: the resource owner, a person with a password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Connection, Index, Integer, LargeBinary, String, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from authserver.database.tables import Model, WordSet


class UserRecord(Model):
    """One user. The keys are the folded names (`users/names`). They are unique, and a sign-in looks them up.

    `username` is what people see: the user name, or the address of a user who has no user name and so no
    `username_key`. Each user who is not removed has one of the two keys.

    `password_version` counts password changes. A rehash of the same password does not change it. A removed user has no
    keys, so the name is free at once. The row is deleted when no session needs it, and keeps its subject until then.
    """

    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_subject", "subject", unique=True),
        Index("ix_users_listed", text("coalesce(username_key, email_key)")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    username: Mapped[str] = mapped_column(Text)
    username_key: Mapped[str | None] = mapped_column(Text, unique=True)
    email: Mapped[str | None] = mapped_column(Text)
    email_key: Mapped[str | None] = mapped_column(Text, unique=True)
    password_hash: Mapped[str | None] = mapped_column(Text)
    password_version: Mapped[int] = mapped_column(Integer)
    roles: Mapped[frozenset[str]] = mapped_column(WordSet)
    enabled: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[int] = mapped_column(BigInteger)
    changed_at: Mapped[int] = mapped_column(BigInteger)
    removed_at: Mapped[int | None] = mapped_column(BigInteger)
    subject: Mapped[str | None] = mapped_column(String(255))  # never changed; `users/subjects` says what it is


def name_of(row: UserRecord) -> str | None:
    """The user name; None for a user who has only an address."""
    return None if row.username_key is None else row.username


def list_key(row: UserRecord) -> str:
    """What lists are in the order of: the folded user name, or the folded address of a user without one."""
    return row.username_key or row.email_key or ""


class PasswordLinkRecord(Model):
    """A link with which a user sets a new password, once. The digest is SHA-256 of the link's secret.

    It counts only while the user has the `password_version` it was made for: any change of the password ends it.
    """

    __tablename__ = "password_links"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid, index=True)
    password_version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class SignInCodeRecord(Model):
    """A one-time code of a user (`users/sign_in_codes`). The digest is keyed, so a copy of the database opens nothing.

    It counts only while the user has the `password_version` it was made for.
    """

    __tablename__ = "sign_in_codes"

    user_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(16))
    password_version: Mapped[int] = mapped_column(Integer)
    expires_at: Mapped[int] = mapped_column(BigInteger, index=True)


class KnownPlaceRecord(Model):
    """A place that a user has signed in from. `place` is a keyed digest, so a copy of the database names no place.

    It counts only while the user has this `password_version`. The version before leaves it out; its rows count.
    """

    __tablename__ = "known_places"

    user_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    place: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    password_version: Mapped[int | None] = mapped_column(Integer)
    last_at: Mapped[int] = mapped_column(BigInteger, index=True)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A user whose password is going to be checked.

    `place_used_at` is when the user last signed in from the place of this sign-in; None if not with this password. `code` is
    the digest of the sign-in code that was typed, if it is the user's.
    """

    id: UUID
    password_hash: str | None
    password_version: int
    enabled: bool
    now: int
    place_used_at: int | None = None
    code: bytes | None = None


def _nothing_to_claim(_connection: Connection) -> None:
    """A sign-in by the password alone uses nothing up."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A user who was authenticated, how, and when. Only `sign_in/` makes one, so its receivers cannot skip the check.

    It counts for one version of the password: its receiver checks that the user still has this version.
    `auth_time` is in milliseconds by the database's clock. It is read before the hash, so it is never too late.
    `amr` has the names of RFC 8176.

    `claim` uses up the sign-in code that the password came with, if it did. What opens a session or visit calls it inside its
    transaction, after the lock on the user. So the code is used exactly if the sign-in succeeds. It raises `Refused` if
    another sign-in has used the code.
    """

    user_id: UUID
    password_version: int
    auth_time: int
    amr: frozenset[str]
    claim: Callable[[Connection], None] = _nothing_to_claim


@dataclass(frozen=True, slots=True)
class LockedUser:
    """The state that a sign-in reads under its lock, after the hashing. It counts, and the earlier reading does not."""

    enabled: bool
    password_version: int
    roles: frozenset[str]
    subject: str | None
    client_enabled: bool
    client_epoch: int


@dataclass(frozen=True, slots=True)
class HashCount:
    """How many passwords have one kind of hash, and one user's name. The kind is None for users without a password."""

    kind: str | None
    count: int
    example: str
