"""Visits: opened by a sign-in, found by a cookie, confirmed by the password, ended by a sign-out, a change or time.

The cookie's value is the visit's id and a secret of 32 bytes. The database has only the secret's SHA-256, so a copy of
the database opens no visit. The secret is also the key of the visit's form tokens (`pages/forms`).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection

from authserver import base64url
from authserver.database.batches import Batches
from authserver.database.engine import Database
from authserver.database.identifiers import new_id
from authserver.pages import store
from authserver.pages.model import VisitRecord
from authserver.records import audit
from authserver.records.audit import Caller, Entry, Event
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.settings.values import PageSettings
from authserver.users import store as users
from authserver.users.links import store as links
from authserver.users.model import PasswordLinkRecord, Proof, SignInCodeRecord
from authserver.users.places import store as places
from authserver.users.sign_in_codes import store as codes

_SECRET_BYTES = 32
_TOUCH_MS = 60_000


@dataclass(frozen=True, slots=True)
class Visit:
    """The visit of one request. Times are in milliseconds; `now` is the database's time."""

    id: UUID
    user_id: UUID
    username: str
    email: str | None
    roles: frozenset[str]
    confirmed_at: int
    now: int
    secret: bytes = field(repr=False)

    @property
    def actor(self) -> str:
        """The user's name in the audit record."""
        return f"user:{self.user_id}"


class Visits:
    """Opens, finds and ends visits. Safe for threads."""

    def __init__(self, database: Database, settings: PageSettings) -> None:
        self._database = database
        self._settings = settings
        self._idle_ms = settings.idle_timeout * 1000
        # Often enough that a user at work never counts as idle, and so seldom that requests stay cheap.
        self._touch_ms = min(_TOUCH_MS, self._idle_ms // 4)

    def open(self, proof: Proof, caller: Caller) -> str:
        """Open a visit for a user who was proved. Returns the cookie's value. Commits.

        The user's row is locked and read again, as `sessions/opening.py` does it. So an act that shuts the user out either
        comes first and is seen here, or waits, and then ends this visit.

        Raises:
            Refused: the user or the password was changed during the hashing, or another sign-in used the code.
        """
        visit_id, secret = new_id(), secrets.token_bytes(_SECRET_BYTES)
        values = {
            "id": visit_id,
            "digest": _digest(secret),
            "user_id": proof.user_id,
            "password_version": proof.password_version,
            "confirmed_at": proof.auth_time,
            "address": caller.address,
            "user_agent": caller.user_agent,
        }
        with self._database.transaction() as connection:
            user = users.lock_for_visit(connection, proof.user_id)
            if user is None or not user.enabled:
                raise Refused(Reason.USER_DISABLED)
            if user.password_version != proof.password_version:
                raise Refused(Reason.PASSWORD_CHANGED)
            proof.claim(connection)
            store.add(connection, values, self._settings.lifetime * 1000)
            entry = Entry(Event.VISIT_OPENED, f"user:{proof.user_id}", user_id=proof.user_id, caller=caller)
            audit.record(connection, entry)
        return _encode(visit_id, secret)

    def find(self, cookie: str, caller: Caller) -> Visit | None:
        """The visit of a cookie, if it counts. One statement, and at most once a minute a second one."""
        parts = _decode(cookie)
        if parts is None:
            return None
        visit_id, secret = parts
        with self._database.autocommit() as connection:
            found = store.find(connection, visit_id, self._idle_ms)
            if found is None or not hmac.compare_digest(found[0].digest, _digest(secret)):
                return None
            row, user = found
            if row.now - row.last_used_at >= self._touch_ms:
                store.touch(connection, visit_id, caller)
        return Visit(
            id=row.id,
            user_id=row.user_id,
            username=user.username,
            email=user.email,
            roles=user.roles,
            confirmed_at=row.confirmed_at,
            now=row.now,
            secret=secret,
        )

    def is_confirmed(self, visit: Visit) -> bool:
        """Whether the password was typed recently enough for a dangerous act."""
        return visit.now - visit.confirmed_at < self._settings.confirmation * 1000

    def confirm(self, visit: Visit, proof: Proof) -> None:
        """Note that the visit's user was proved again."""
        with self._database.autocommit() as connection:
            store.confirm(connection, visit.id, proof.auth_time)

    def end(self, visit_id: UUID, user_id: UUID, caller: Caller) -> bool:
        """End a visit of this user. Returns whether this call ended it. Commits."""
        with self._database.transaction() as connection:
            ended = store.remove(connection, visit_id, user_id)
            if ended:
                entry = Entry(Event.VISIT_ENDED, f"user:{user_id}", user_id=user_id, caller=caller)
                audit.record(connection, entry)
        return ended

    def of_user(self, user_id: UUID) -> Sequence[VisitRecord]:
        """The live visits of a user, the last used first."""
        with self._database.autocommit() as connection:
            return store.of_user(connection, user_id, self._idle_ms)


def prune(batches: Batches) -> Iterator[int]:
    """Delete expired visits, password links and sign-in codes, and unused places. Yields the number deleted after each batch."""
    for key, expired in (
        (VisitRecord.id, store.expired()),
        (PasswordLinkRecord.digest, links.expired()),
        (SignInCodeRecord.user_id, codes.expired()),
    ):
        while count := batches.delete(key, expired):
            yield count
    while count := places.prune(batches):
        yield count


def end_visits_of_user(
    connection: Connection,
    user_id: UUID,
    *,
    actor: str,
    because: str,
    but: UUID | None = None,
    caller: Caller = Caller(),
) -> int:
    """End the visits of a user, except the visit `but`. Returns how many. One event for all; the caller commits."""
    count = store.remove_of_user(connection, user_id, but=but)
    if count:
        detail = {"because": because, "visits": count}
        audit.record(connection, Entry(Event.VISIT_ENDED, actor, user_id=user_id, caller=caller, detail=detail))
    return count


def renew(connection: Connection, visit: Visit, password_version: int) -> str:
    """Make a new cookie value for a visit whose own browser changed the password. The old value no longer counts."""
    secret = secrets.token_bytes(_SECRET_BYTES)
    store.renew(connection, visit.id, _digest(secret), password_version)
    return _encode(visit.id, secret)


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _encode(visit_id: UUID, secret: bytes) -> str:
    return base64url.encode(visit_id.bytes + secret)


def _decode(cookie: str) -> tuple[UUID, bytes] | None:
    try:
        raw = base64url.decode(cookie)
    except ValueError:
        return None
    if len(raw) != 16 + _SECRET_BYTES:
        return None
    return UUID(bytes=raw[:16]), raw[16:]
