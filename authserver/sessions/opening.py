"""Opens the session at the end of a sign-in, in one transaction.

Hashing a password takes tens of milliseconds, and the user may change meanwhile. The change wins: the transaction
locks the user's row and reads it again before it inserts the session.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from authserver.clients.model import Client
from authserver.database.engine import Database
from authserver.database.identifiers import new_id
from authserver.database.sql import least, now_ms
from authserver.database.status_indices import StatusIndices
from authserver.database.tables import one_row, present
from authserver.keys.keyring import Keyring
from authserver.records import audit
from authserver.records.audit import Caller, Event
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.sessions import store
from authserver.sessions.model import End, SessionRecord
from authserver.sessions.refresh_token import RefreshToken, first_token
from authserver.sessions.values import Opened
from authserver.users import store as users
from authserver.users.model import LockedUser, Proof

_S = SessionRecord
_idle_ms = bindparam("idle_ms", type_=_S.created_at.type)
_absolute_ms = bindparam("absolute_ms", type_=_S.created_at.type)
_access_ms = bindparam("access_ms", type_=_S.created_at.type)
_idle_expiry = least(now_ms() + _idle_ms, now_ms() + _absolute_ms)

_INSERT = (
    insert(_S)
    .values(
        **store.NEW_SESSION,
        created_at=now_ms(),
        last_used_at=now_ms(),
        absolute_expires_at=now_ms() + _absolute_ms,
        idle_expires_at=_idle_expiry,
        access_expires_at=least(now_ms() + _access_ms, _idle_expiry),
    )
    .returning(*_S.__table__.columns, now_ms().label("now"))
)


@dataclass(frozen=True, slots=True)
class Granted:
    """What the session may do."""

    scopes: frozenset[str]
    audiences: frozenset[str]


class Opening:
    """Opens sessions. Safe for threads."""

    def __init__(self, database: Database, keyring: Keyring, indices: StatusIndices) -> None:
        self._database = database
        self._keyring = keyring
        self.indices = indices

    def open(
        self,
        proof: Proof,
        client: Client,
        caller: Caller,
        grant: Callable[[Connection, frozenset[str]], Granted],
        check: Callable[[Connection, SessionRecord], None],
        device_name: str | None,
    ) -> Opened:
        """Insert the session of a user who was proved. Commits. Three statements, four where the client has a cap, one more with a code.

        `grant` decides on scopes and audiences from the user's present roles. `check` gets the new session. Both may
        raise `Refused`, which leaves nothing behind, and read the database through the transaction's connection.

        Raises:
            Refused: user, password or client changed during the sign-in, another one used its code, or `grant` or
                `check` refused.
        """
        # Before the transaction: this may read the database, and must not wait for a second connection inside it.
        token, values = self._prepare(proof, client, caller, device_name)
        try:
            row = self._insert(values, proof, client, caller, grant, check)
        except IntegrityError:
            taken = select(_S.id).where(_S.status_index == values["status_index"])
            with self._database.autocommit() as connection:
                if connection.execute(taken).one_or_none() is None:
                    raise
            # The database went back in time, and another process leased our index. Nothing was committed.
            self.indices.drop(values["status_index"])
            token, values = self._prepare(proof, client, caller, device_name)
            row = self._insert(values, proof, client, caller, grant, check)
        return Opened(row, token, row.now)

    def _insert(
        self,
        values: dict[str, Any],
        proof: Proof,
        client: Client,
        caller: Caller,
        grant: Callable[[Connection, frozenset[str]], Granted],
        check: Callable[[Connection, SessionRecord], None],
    ) -> SessionRecord:
        capped = client.max_sessions_per_user is not None
        with self._database.transaction() as connection:
            locked = users.lock_for_sign_in(connection, proof.user_id, client.client_id, exclusive=capped)
            user = _still_valid(locked, proof)
            proof.claim(connection)
            granted = grant(connection, user.roles)
            ended = _end_oldest(connection, proof.user_id, client) if capped else 0
            values |= {"client_epoch": user.client_epoch, "roles": user.roles, "subject": user.subject}
            values |= {"scopes": granted.scopes, "audiences": granted.audiences}
            row = present(one_row(connection, SessionRecord, _INSERT, values))
            check(connection, row)
            entry = audit.Entry(
                Event.SESSION_OPENED,
                actor=f"user:{proof.user_id}",
                client_id=client.client_id,
                user_id=proof.user_id,
                session_id=row.id,
                caller=caller,
                detail={"ended_by_cap": ended} if ended else {},
            )
            audit.record(connection, entry)
        return row

    def _prepare(
        self, proof: Proof, client: Client, caller: Caller, device_name: str | None
    ) -> tuple[RefreshToken | None, dict[str, Any]]:
        """Make the first refresh token, if the client has the grant, and the columns that need no lock."""
        session_id = new_id()
        key = self._keyring.current().token
        token = first_token(key, session_id) if "refresh_token" in client.grants else None
        return token, {
            "id": session_id,
            "user_id": proof.user_id,
            "client_id": client.client_id,
            "auth_time": proof.auth_time,
            "auth_methods": proof.amr,
            "status_index": self.indices.take(),
            "current_digest": None if token is None else token.digest,
            "token_key_id": key.id,
            "device_name": device_name,
            "last_address": caller.address,
            "last_user_agent": caller.user_agent,
            **_lifetimes(client, token),
        }


def _lifetimes(client: Client, token: RefreshToken | None) -> dict[str, Any]:
    """Lifetimes in milliseconds. A session without a refresh token ends with its access token."""
    idle = absolute = access = client.access_token_lifetime
    if token is not None:
        idle, absolute = client.refresh_idle_lifetime, client.refresh_absolute_lifetime
    return {"access_ms": access * 1000, "idle_ms": idle * 1000, "absolute_ms": absolute * 1000}


def _still_valid(locked: LockedUser | None, proof: Proof) -> LockedUser:
    if locked is None or not locked.enabled:
        raise Refused(Reason.USER_DISABLED)
    if locked.password_version != proof.password_version:
        raise Refused(Reason.PASSWORD_CHANGED)
    if not locked.client_enabled:
        raise Refused(Reason.CLIENT_DISABLED)
    return locked


def _end_oldest(connection: Connection, user_id: UUID, client: Client) -> int:
    """End the oldest sessions, so that a new one stays within the cap. Returns how many it ended.

    The user's row is locked exclusively, so no other sign-in does the same at the same time.
    """
    keep = (client.max_sessions_per_user or 1) - 1
    live = select(_S.id).where(store.belongs_to(user_id, client.client_id), store.LIVE)
    surplus = live.order_by(_S.created_at.desc(), _S.id.desc()).offset(keep).limit(10_000)
    return connection.execute(store.end_where(_S.id.in_(surplus) & _S.revoked_at.is_(None), End.CAP)).rowcount
