"""The password check of our pages: the same queue and the same cost as a sign-in at `/token`, whoever is unknown.

One statement and one hash for every answer, so that neither text nor time tells a wrong name from a wrong password.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from authserver.database.engine import Database
from authserver.database.tables import AnyRow
from authserver.passwords.hasher import HashingOverloaded, PasswordHasher, Verification
from authserver.passwords.rules import PASSWORD_LENGTHS
from authserver.records import metrics
from authserver.records.audit import Bounded, Caller, Entry, Event, Outcome
from authserver.refusals.reasons import Reason
from authserver.users import store as users

#: Who is named as the actor of a refused sign-in: nobody has proved to be anybody.
_ANYBODY = "browser"

_Finder = Callable[[Connection], AnyRow | None]


@dataclass(frozen=True, slots=True)
class Known:
    """A user whose password was right, and its version: what later rests on the check holds for that version only."""

    user_id: UUID
    password_version: int


class PasswordCheck:
    """Verifies passwords for pages. Safe for threads; a call may raise `HashingOverloaded`."""

    def __init__(self, database: Database, hasher: PasswordHasher, audit: Bounded) -> None:
        self._database = database
        self._hasher = hasher
        self._audit = audit

    def sign_in(self, login: str, password: str, caller: Caller) -> Known | None:
        """Who this is; None whatever was wrong: the name, the password, a user who is disabled or has no password."""
        return self._check(lambda connection: users.find_for_sign_in(connection, login), password, caller)

    def again(self, user_id: UUID, password: str, caller: Caller) -> Known | None:
        """The password of a user who is signed in, asked for once more."""
        return self._check(lambda connection: users.find_to_verify(connection, user_id), password, caller)

    def hash(self, password: str) -> str:
        """Hash a new password in the same queue: whoever sets one has proved less than an administrator."""
        with metrics.HASHING.track_inprogress():
            return self._hasher.hash(password)

    def _check(self, find: _Finder, password: str, caller: Caller) -> Known | None:
        user, reason, rehashed = self._verify(find, password)
        if user is None or reason is not None:
            self._record(None if user is None else user.id, reason or Reason.UNKNOWN_USER, caller)
            return None
        if rehashed is not None:
            with self._database.autocommit() as connection:
                users.store_rehash_of_version(connection, user.id, user.password_version, rehashed)
        return Known(user.id, user.password_version)

    def _verify(self, find: _Finder, password: str) -> tuple[AnyRow | None, Reason | None, str | None]:
        try:
            self._hasher.pool.require_room()  # before the statement: in a storm most are turned away here
            with self._database.autocommit() as connection:
                user = find(connection)
            too_long = len(password) > PASSWORD_LENGTHS[1]
            stored = None if user is None or too_long else user.password_hash
            verification = self._hash(password[: PASSWORD_LENGTHS[1]], stored)
        except HashingOverloaded:
            metrics.HASHING_REFUSED.inc()
            raise
        if user is None:
            return None, Reason.UNKNOWN_USER, None
        if not verification.matches:
            return user, Reason.WRONG_PASSWORD, None
        return user, None if user.enabled else Reason.USER_DISABLED, verification.rehashed

    def _hash(self, password: str, encoded: str | None) -> Verification:
        with metrics.HASHING.track_inprogress():
            return self._hasher.verify(password, encoded)

    def _record(self, user_id: UUID | None, reason: Reason, caller: Caller) -> None:
        """At a bounded rate, and without the name: people type passwords into that field."""
        detail = {"reason": reason.name.lower(), "page": True}
        entry = Entry(
            Event.SIGN_IN_REFUSED, _ANYBODY, user_id=user_id, caller=caller, outcome=Outcome.REFUSED, detail=detail
        )
        self._audit.record(entry)
