"""The one check of a user's password, for the token endpoint, the sign-in page and the confirmation.

Every wrong sign-in costs the same statements and one hash, so neither text nor time tells a wrong name from a wrong
password. It is charged to the throttle before the hash, so parallel guesses cannot outrun the delay, and a right one gets
its charge back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from authserver.database.engine import Database, after_commit
from authserver.database.failures import Unavailable
from authserver.passwords.hasher import PasswordHasher, Verification
from authserver.passwords.rules import PASSWORD_LENGTHS
from authserver.records import metrics
from authserver.records.audit import Caller, Entry, Event, Outcome
from authserver.records.refusals import RefusalRecorder
from authserver.refusals.exceptions import Refused, TryLater
from authserver.refusals.reasons import Reason
from authserver.refusals.references import References
from authserver.sign_in.devices import Device
from authserver.throttling.throttle import Attempt, Throttle, Throttled
from authserver.users import places, sign_in_codes
from authserver.users import store as users
from authserver.users.model import Candidate, Proof
from authserver.users.names import login_key
from authserver.users.places import store as place_store
from authserver.users.sign_in_codes import store as codes

_AMR = frozenset({"pwd"})
_LONGEST = PASSWORD_LENGTHS[1]

_Finder = Callable[[Connection], Candidate | None]
_Standing = Callable[[Candidate | None], Attempt]


class PasswordCheck:
    """Authenticates a user by a password. Makes no session. Safe for threads.

    `sign_in` and `again` commit: charges and refunds of the throttle, the audit event of a refusal, the known place, and
    a new hash if the stored one is outdated. A sign-in code, and the place that it lets in, wait for `Proof.claim`.

    They raise:
        Refused: unknown user, wrong password or disabled user. It is recorded, and only its reason says which.
        Throttled: too many failures before, so this password was not checked. It is recorded too.
        HashingOverloaded: too many passwords are being checked; this one was not checked.
    """

    def __init__(
        self,
        database: Database,
        hasher: PasswordHasher,
        throttle: Throttle,
        audit: RefusalRecorder,
        references: References,
    ) -> None:
        self._database = database
        self._throttle = throttle
        self._hasher = hasher
        self._audit = audit
        self._references = references

    def admitted(self) -> AbstractContextManager[None]:
        """Count a whole sign-in, with its statements before and after the hash, among those of this worker.

        Raises:
            HashingOverloaded: there are too many.
        """
        return self._hasher.pool.admitted()

    def sign_in(
        self,
        login: str,
        password: str,
        caller: Caller,
        *,
        address: str | None,
        client_id: str | None = None,
        device: Device | None = None,
        code: str = "",
    ) -> Proof:
        """Authenticate by user name or e-mail address. `client_id` is the client that asks; None for the own pages.

        `address` is the user's own; None if it is not known. The caller may be a server that many users share. A
        `device` of another user changes nothing, and a `code` (`users/sign_in_codes`) that is not the user's neither.
        """
        _, account = login_key(login)
        attempt = self._throttle.sign_in(account, address, client_id)
        typed = sign_in_codes.typed(code)
        digest = None if typed is None else self._throttle.slots.code(typed)

        def find(connection: Connection) -> Candidate | None:
            return users.find_for_sign_in(connection, login, place=attempt.place, code=digest)

        def standing(user: Candidate | None) -> Attempt:
            key = None if device is None else device(user)
            if key is None and user is not None and user.code is not None:
                key = f"code {user.id}"
            if key is not None:
                return self._throttle.from_device(attempt, key)
            is_known = user is not None and _place_age(user) < places.LASTS_MS
            return attempt.from_known_place() if is_known else attempt

        return self._check(find, standing, password, caller, client_id)

    def again(self, user_id: UUID, visit_id: UUID, password: str, caller: Caller) -> Proof:
        """Authenticate again a user who is signed in to the server's own pages."""
        attempt = self._throttle.confirmation(visit_id)
        return self._check(
            lambda connection: users.find_to_verify(connection, user_id), lambda _: attempt, password, caller, None
        )

    def record(self, refusal: Refused | TryLater, user_id: UUID | None, caller: Caller, client_id: str | None) -> None:
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

    def _check(self, find: _Finder, standing: _Standing, password: str, caller: Caller, client_id: str | None) -> Proof:
        # Before the first statement: a flood of sign-ins is refused here, and must not take connections from refreshes.
        with self.admitted():
            user, attempt = self._charge(find, standing, caller, client_id)
            verification = self._verify(user, attempt, password)
        if user is None:
            reason = Reason.UNKNOWN_USER
        elif verification.unreadable:
            reason = Reason.UNREADABLE_HASH
        elif not verification.matches:
            reason = Reason.WRONG_PASSWORD
        elif not user.enabled:
            reason = Reason.USER_DISABLED
        else:
            return self._accept(user, attempt, verification)
        refusal = Refused(reason)
        self.record(refusal, None if user is None else user.id, caller, client_id)
        raise refusal

    def _charge(
        self, find: _Finder, standing: _Standing, caller: Caller, client_id: str | None
    ) -> tuple[Candidate | None, Attempt]:
        """Find the user, and charge the attempt with the standing that it has there."""
        with self._database.autocommit() as connection:
            user = find(connection)
        attempt = standing(user)
        try:
            self._throttle.charge(attempt)
        except Throttled as refusal:
            self.record(refusal, None if user is None else user.id, caller, client_id)
            raise
        return user, attempt

    def _verify(self, user: Candidate | None, attempt: Attempt, password: str) -> Verification:
        """Compute one hash in every case: an unknown user costs as much time as a wrong password."""
        stored = None if user is None or len(password) > _LONGEST else user.password_hash
        try:
            with metrics.HASHING.track_inprogress():
                return self._hasher.verify(password[:_LONGEST], stored)
        except BaseException:  # the password was not checked, so this is no failure of the user
            self._throttle.withdraw(attempt)
            raise

    def _accept(self, user: Candidate, attempt: Attempt, verification: Verification) -> Proof:
        """Make the proof, and write down what follows from a right password. It is right also if this cannot be written.

        A place that a code let in is written down once the code is claimed. Otherwise one code could make many places
        known, by sign-ins that are refused after this check.
        """
        self._throttle.accept(attempt)
        place = None if _place_age(user) < places.WRITTEN_EVERY_MS else attempt.place
        if user.code is None:
            self._write(user, place, verification.rehashed)
            return Proof(user.id, user.password_version, user.now, _AMR)
        self._write(user, None, verification.rehashed)
        claim = partial(self._claim, user, user.code, place)
        return Proof(user.id, user.password_version, user.now, _AMR, claim)

    def _claim(self, user: Candidate, code: bytes, place: bytes | None, connection: Connection) -> None:
        """`Proof.claim` of a sign-in with a code. Its place is written after the commit, so no row there waits for another."""
        if not codes.take(connection, user.id, code):
            raise Refused(Reason.SIGN_IN_CODE_USED)
        after_commit(connection, partial(self._write, user, place, None))

    def _write(self, user: Candidate, place: bytes | None, rehashed: str | None) -> None:
        """Write down a place that the user has signed in from, and a new hash of the password, if there are any."""
        if place is None and rehashed is None:
            return
        with suppress(*Unavailable), self._database.autocommit() as connection:
            if place is not None:
                place_store.remember(connection, user.id, user.password_version, place)
            if rehashed is not None:
                users.store_rehash(connection, user.id, user.password_version, rehashed)


def _place_age(user: Candidate) -> float:
    """How long ago the user last signed in from this place, in milliseconds."""
    return math.inf if user.place_used_at is None else user.now - user.place_used_at
