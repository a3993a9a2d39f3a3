"""The one check of a user's password, for the token endpoint, the sign-in page and the confirmation.

Every answer costs one statement and one hash, so neither text nor time tells a wrong name from a wrong password.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from uuid import UUID

from sqlalchemy import Connection

from authserver.database.engine import Database
from authserver.passwords.hasher import HashingOverloaded, PasswordHasher, Verification
from authserver.passwords.rules import PASSWORD_LENGTHS
from authserver.records import metrics
from authserver.records.audit import Caller, Entry, Event, Outcome
from authserver.records.refusals import RefusalRecorder
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.refusals.references import References
from authserver.users import store as users
from authserver.users.model import Proof, UserRecord

_AMR = frozenset({"pwd"})
_LONGEST = PASSWORD_LENGTHS[1]

_Finder = Callable[[Connection], UserRecord | None]


class PasswordCheck:
    """Authenticates a user by a password. Makes no session. Safe for threads.

    `sign_in` and `again` commit: the audit event of a refusal, or a new hash if the stored one is outdated.

    They raise:
        Refused: unknown user, wrong password or disabled user. It is recorded, and only its reason says which.
        HashingOverloaded: too many passwords are being checked; this one was not checked.
    """

    def __init__(
        self, database: Database, hasher: PasswordHasher, audit: RefusalRecorder, references: References
    ) -> None:
        self._database = database
        self._hasher = hasher
        self._audit = audit
        self._references = references

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Count a whole sign-in, with its statements before and after the hash, among those of this worker.

        Raises:
            HashingOverloaded: there are too many.
        """
        with ExitStack() as held:
            try:
                held.enter_context(self._hasher.pool.admitted())
            except HashingOverloaded:
                metrics.HASHING_REFUSED.inc()
                raise
            yield

    def sign_in(self, login: str, password: str, caller: Caller, client_id: str | None = None) -> Proof:
        """Authenticate by user name or e-mail address. `client_id` is the client that asks; None for the own pages."""
        return self._check(lambda connection: users.find_for_sign_in(connection, login), password, caller, client_id)

    def again(self, user_id: UUID, password: str, caller: Caller) -> Proof:
        """Authenticate again a user who is signed in to the server's own pages."""
        return self._check(lambda connection: users.find_to_verify(connection, user_id), password, caller, None)

    def record(self, refusal: Refused, user_id: UUID | None, caller: Caller, client_id: str | None) -> None:
        """Record a refused sign-in, at a bounded rate; for callers that refuse after the password was right.

        The event does not have the name that was typed, because people type passwords into that field.
        """
        entry = Entry(
            Event.SIGN_IN_REFUSED,
            actor="browser" if client_id is None else f"client:{client_id}",
            client_id=client_id,
            user_id=user_id,
            caller=caller,
            outcome=Outcome.REFUSED,
            # The server's own pages show no reference when they refuse a sign-in.
            reference=None if client_id is None else self._references.of(refusal, client_id),
            detail={"reason": refusal.reason.name.lower()},
        )
        self._audit.record(entry)

    def _check(self, find: _Finder, password: str, caller: Caller, client_id: str | None) -> Proof:
        user, verification = self._verify(find, password)
        if user is None:
            reason = Reason.UNKNOWN_USER
        elif verification.unreadable:
            reason = Reason.UNREADABLE_HASH
        elif not verification.matches:
            reason = Reason.WRONG_PASSWORD
        elif not user.enabled:
            reason = Reason.USER_DISABLED
        else:
            if verification.rehashed is not None:
                with self._database.autocommit() as connection:
                    users.store_rehash(connection, user.id, user.password_version, verification.rehashed)
            return Proof(user.id, user.password_version, user.now, _AMR)
        refusal = Refused(reason)
        self.record(refusal, None if user is None else user.id, caller, client_id)
        raise refusal

    def _verify(self, find: _Finder, password: str) -> tuple[UserRecord | None, Verification]:
        """Compute one hash in every case: an unknown user costs as much time as a wrong password."""
        try:
            # Before the statement: a flood of sign-ins is refused here, and must not take connections from refreshes.
            with self._hasher.pool.admitted():
                with self._database.autocommit() as connection:
                    user = find(connection)
                stored = None if user is None or len(password) > _LONGEST else user.password_hash
                with metrics.HASHING.track_inprogress():
                    return user, self._hasher.verify(password[:_LONGEST], stored)
        except HashingOverloaded:
            metrics.HASHING_REFUSED.inc()
            raise
