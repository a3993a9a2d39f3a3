"""The acts of users on their own data. Every statement has the user's id, so no user can reach another user's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from authserver.clients import store as clients
from authserver.database.engine import Database
from authserver.pages import visits
from authserver.pages.visits import Visit
from authserver.passwords.hasher import PasswordHasher
from authserver.passwords.rules import check_new_password
from authserver.records import audit, metrics
from authserver.records.audit import AuditRecord, Caller, Entry, Event, Search
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.sessions import ending, listing
from authserver.sessions.model import End, SessionRecord
from authserver.settings.model import Settings
from authserver.sign_in.password import PasswordCheck
from authserver.throttling.places import place_of
from authserver.throttling.throttle import Throttle
from authserver.users import links, sign_in_codes, store
from authserver.users.links import store as link_store
from authserver.users.model import UserRecord
from authserver.users.places import store as places
from authserver.users.sign_in_codes import store as code_store

MOST_SESSIONS = 200
MOST_EVENTS = 50


class PasswordRefused(Exception):
    """The new password breaks a rule. The text says which."""


class LinkGone(Exception):
    """The link was used, has expired, was replaced, or never existed."""


@dataclass(frozen=True, slots=True)
class Account:
    """The acts of users. Built once. Safe for threads."""

    database: Database
    settings: Settings
    passwords: PasswordCheck
    hasher: PasswordHasher
    throttle: Throttle

    def sessions(self, user_id: UUID) -> Sequence[SessionRecord]:
        """The user's live sessions, newest first."""
        return listing.list_sessions(self.database, user_id=user_id, limit=MOST_SESSIONS)

    def client_names(self, sessions: Sequence[SessionRecord]) -> Mapping[str, str]:
        """The names of the sessions' clients."""
        if not sessions:
            return {}
        with self.database.autocommit() as connection:
            return clients.names_of(connection, {row.client_id for row in sessions})

    def events(self, user_id: UUID, *, limit: int = MOST_EVENTS) -> Sequence[AuditRecord]:
        """The audit events of the user, newest first."""
        with self.database.autocommit() as connection:
            return audit.find(connection, Search(user_id=user_id), limit=limit)

    def end_session(self, visit: Visit, session_id: UUID, caller: Caller) -> bool:
        """End one of the visitor's own sessions. Returns whether this call ended it."""
        with self.database.transaction() as connection:
            return ending.end_session(
                connection, session_id, End.ENDED_BY_USER, actor=visit.actor, user_id=visit.user_id, caller=caller
            )

    def end_all_others(self, visit: Visit, caller: Caller) -> tuple[int, int]:
        """End all of the visitor's sessions, and all visits except this one. Returns how many of each."""
        with self.database.transaction() as connection:
            ended = ending.end_sessions_of_user(
                connection, visit.user_id, End.ENDED_BY_USER, actor=visit.actor, caller=caller
            )
            closed = visits.end_visits_of_user(
                connection, visit.user_id, actor=visit.actor, because="ended_by_user", but=visit.id, caller=caller
            )
        return ended, closed

    def change_password(self, visit: Visit, old: str, new: str, caller: Caller) -> tuple[str, int, int]:
        """Change the password, and end all sessions and all other visits.

        Returns the visit's new cookie, the new password's version, and the number of ended sessions.

        Raises:
            Refused: the present password is wrong, or was changed meanwhile.
            PasswordRefused, Throttled, HashingOverloaded: and nothing was changed.
        """
        self._check(new, visit)
        if new == old:
            raise PasswordRefused("the new password is the old one")
        proof = self.passwords.again(visit.user_id, visit.id, old, caller)
        password_hash = self._hash(new)
        with self.database.transaction() as connection:
            if not store.set_password_of_version(connection, visit.user_id, proof.password_version, password_hash):
                raise Refused(Reason.PASSWORD_CHANGED)
            ended = ending.end_sessions_of_user(
                connection, visit.user_id, End.PASSWORD_CHANGED, actor=visit.actor, caller=caller
            )
            visits.end_visits_of_user(
                connection, visit.user_id, actor=visit.actor, because="password_changed", but=visit.id, caller=caller
            )
            places.forget(connection, visit.user_id)  # a thief with the old password may have made some known
            cookie = visits.renew(connection, visit, proof.password_version + 1)
            self._record(connection, Event.USER_PASSWORD_CHANGED, visit.user_id, caller)
        return cookie, proof.password_version + 1, ended

    def link(self, secret: str, caller: Caller) -> UserRecord:
        """Find the user of a link: id, name and address. Does not use the link up. Counts a link that does not work.

        Raises:
            LinkGone.
            Throttled: it does not work either, and there were too many before.
        """
        with self.database.autocommit() as connection:
            row = link_store.find(connection, links.digest(secret))
        if row is None:
            self.throttle.wrong_link(caller.address)
            raise LinkGone
        return row

    def use_link(self, secret: str, new: str, caller: Caller) -> tuple[UUID, int]:
        """Set the password of a link's user. Uses the link up, ends all sessions and visits, and makes the place known.

        An administrator has sent the link, so strangers' failures do not delay its user there. Returns the user and the
        new password's version.

        Raises:
            LinkGone, PasswordRefused, Throttled, HashingOverloaded: and nothing was changed.
        """
        row = self.link(secret, caller)  # before the hashing: an invalid link must not cost a hash
        user_id = row.id
        self._check(new, row)
        password_hash = self._hash(new)
        actor = f"user:{user_id}"
        with self.database.transaction() as connection:
            store.lock(connection, user_id)  # lock the user's row first, as every other act does
            taken = link_store.take(connection, links.digest(secret))
            if taken is None or not store.set_password_of_version(
                connection, user_id, taken.password_version, password_hash
            ):
                raise LinkGone
            ending.end_sessions_of_user(connection, user_id, End.PASSWORD_RESET, actor=actor, caller=caller)
            visits.end_visits_of_user(connection, user_id, actor=actor, because="password_reset", caller=caller)
            places.forget(connection, user_id)
            version, place = taken.password_version + 1, place_of(caller.address)
            if place is not None:
                places.remember(connection, user_id, version, self.throttle.slots.place(place.near))
            self._record(connection, Event.USER_PASSWORD_LINK_USED, user_id, caller)
        return user_id, version

    def make_sign_in_code(self, visit: Visit, caller: Caller) -> tuple[str, int]:
        """Make the code with which the visitor can sign in on a new device; the one before it ends.

        Returns the code and when it expires, in milliseconds.
        """
        code = sign_in_codes.new_code()
        with self.database.transaction() as connection:
            store.lock(connection, visit.user_id)  # two at once take turns
            expires_at = code_store.replace(connection, visit.user_id, self.throttle.slots.code(code))
            self._record(connection, Event.USER_SIGN_IN_CODE_MADE, visit.user_id, caller)
        return code, expires_at

    def note_download(self, visit: Visit, caller: Caller) -> None:
        """Record that the user's data was downloaded, and from where."""
        with self.database.transaction() as connection:
            self._record(connection, Event.USER_DATA_DOWNLOADED, visit.user_id, caller)

    def profile(self, user_id: UUID) -> UserRecord:
        """The user's own row."""
        with self.database.autocommit() as connection:
            row = store.read(connection, str(user_id))
        assert row is not None  # noqa: S101 - the visit was found by a join with it
        return row

    def all_sessions(self, user_id: UUID) -> Sequence[SessionRecord]:
        """The user's sessions, also ended ones while their rows are kept."""
        return listing.list_sessions(self.database, user_id=user_id, include_ended=True, limit=10_000)

    def _check(self, password: str, whose: Visit | UserRecord) -> None:
        try:
            check_new_password(self.settings, password, username=whose.username, email=whose.email)
        except ValueError as problem:
            raise PasswordRefused(str(problem)) from None

    def _hash(self, password: str) -> str:
        """Hash a new password in the queue of the sign-ins. Only administrators have their own queue."""
        with metrics.HASHING.track_inprogress():
            return self.hasher.hash(password)

    def _record(self, connection: Connection, event: Event, user_id: UUID, caller: Caller) -> None:
        audit.record(connection, Entry(event, f"user:{user_id}", user_id=user_id, caller=caller))
