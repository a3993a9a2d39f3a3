"""Rotation: trade the current refresh token for its successor (DESIGN section 5; RFC 6749 section 6, RFC 9700 4.14).

The way of nearly every refresh is one statement that commits by itself. Only when it finds no row is the session read
and decided upon, and the decision's own statement repeats its condition; should that fail too, another caller moved
the session, and all is looked at again.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection

from authserver.clients.model import Client
from authserver.clients.registry import ClientRegistry
from authserver.database.engine import Database
from authserver.database.tables import present
from authserver.keys.keyring import Keyring
from authserver.keys.material import TokenKey
from authserver.records import audit
from authserver.records.audit import Bounded, Caller, Event
from authserver.refusals.exceptions import Refused, TryLater
from authserver.refusals.reasons import Reason
from authserver.refusals.references import References
from authserver.sessions import decision, store
from authserver.sessions.decision import Act, Presented
from authserver.sessions.model import SessionRecord
from authserver.sessions.recording import entry_of, record_retry
from authserver.sessions.refresh_token import MAX_GENERATION, SALT_BYTES, Malformed, RefreshToken, parse, successor
from authserver.sessions.values import Outcome, Refreshed, Session, session_of

#: How often a refresh looks again when others move its session under it. Each look means that one of them got through.
_MAX_LOOKS = 20

#: Retries of one generation that are audited each; a flood of them within the window is only counted.
_AUDITED_RETRIES = 8

#: How long a client should wait before it tries again while the database is behind its tokens, in seconds.
_FUTURE_RETRY_AFTER = 30


_ROTATED = {False: Outcome.ROTATED, True: Outcome.KEPT}

#: May refuse by raising `Refused`. Gets the connection of the transaction, for what it has to read, and the copy of the
#: client that decided.
Check = Callable[[Connection, Session, Client], None]


class Rotation:
    """Refreshes sessions. Safe for threads and processes; all state is in the row."""

    def __init__(
        self, database: Database, keyring: Keyring, clients: ClientRegistry, refusals: Bounded, references: References
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._clients = clients
        self._refusals = refusals
        self._references = references

    def refresh(self, text: str, client: Client, caller: Caller, check: Check | None = None) -> Refreshed:
        """Answer a refresh token. Commits; without `check`, one statement on the fast path.

        Of any number of parallel callers with the same token one rotates, and all get the same successor for as long
        as the retry window lasts. `check` may refuse by raising `Refused`: the rotation is then undone and the token
        stays usable. Does not check that the client may use the grant: do that before.

        Raises:
            Refused: malformed or forged token, ended session, or one just ended because of reuse; `reason` says which.
            TryLater: the token is newer than its session, or the session is moved faster than it can be read.
        """
        presented, key = self._genuine(text)
        for _ in range(_MAX_LOOKS):
            refreshed = self._rotate(presented, client, caller, check) or self._decide(
                presented, key, client, caller, check
            )
            if isinstance(refreshed, Refreshed):
                return refreshed
            client = refreshed or client
        raise TryLater(Reason.DATABASE_UNAVAILABLE, retry_after=1, session_id=presented.session_id)

    def genuine(self, text: str) -> tuple[RefreshToken, bool]:
        """Parse a token and check its tag. No statement. Returns it, and whether its key is marked leaked.

        Raises:
            Refused: malformed, of an unknown key, or forged.
        """
        token, key = self._genuine(text)
        return token, key.leaked

    def _genuine(self, text: str) -> tuple[RefreshToken, TokenKey]:
        try:
            token = parse(text)
        except Malformed as error:
            raise Refused(Reason.TOKEN_MALFORMED) from error
        key = self._keyring.token_key(token.key_id)
        if key is None:
            raise Refused(Reason.TOKEN_KEY_UNKNOWN)
        if not token.is_genuine(key):
            raise Refused(Reason.TOKEN_FORGED)
        if token.generation == MAX_GENERATION:
            # No session gets there; made with a leaked key, it would have no successor to be computed.
            raise Refused(Reason.TOKEN_FORGED)
        return token, key

    def _rotate(self, presented: RefreshToken, client: Client, caller: Caller, check: Check | None) -> Refreshed | None:
        statement = store.ROTATE if client.refresh_policy == "rotate" else store.KEEP
        following, new = self._following(presented, presented.generation + 1)
        parameters = _parameters(presented, client) | _place(caller)
        if client.refresh_policy == "rotate":
            parameters |= new | {"window_ms": client.retry_window * 1000}
        with self._unit(check) as connection:
            row = store.apply(connection, statement, parameters)
            if row is None:
                return None
            kept = row.generation == presented.generation
            answer = _answer(connection, row, presented if kept else following, _ROTATED[kept], client, check)
        if kept and client.refresh_policy == "rotate" and decision.is_foreign(row, caller):
            self._record_foreign(Event.SESSION_KEPT, row, presented, client, caller)
        return answer

    def _decide(
        self, presented: RefreshToken, key: TokenKey, client: Client, caller: Caller, check: Check | None
    ) -> Refreshed | Client | None:
        """Act on the decision table. Returns the answer, or None to look again, or a newer client to look again with."""
        with self._database.autocommit() as connection:
            row = store.read(connection, presented.session_id)
        seen = Presented(presented.generation, presented.digest, key.leaked)
        verdict = decision.decide(row, seen, client, caller, row.now if row is not None else 0)
        if row is None:
            raise Refused(verdict.reason or Reason.SESSION_UNKNOWN, session_id=presented.session_id)
        match verdict.act:
            case Act.RETRY:
                return self._retry(row, presented, client, caller, check)
            case Act.RETRY_LATE:
                return self._retry_late(row, presented, client, caller, check)
            case Act.REREAD_CLIENT:
                return self._clients.find_epoch(client.client_id, row.client_epoch)
            case Act.REVOKE:
                # Its window or its late retries may have been extended while this node's copy was seconds old.
                present = self._clients.find_now(client.client_id)
                if present is not None and present.enabled and present != client:
                    return present
                self._revoke(row, presented, client, caller)
            case Act.DEFER:
                self._defer(row, presented, client, caller)
            case Act.REFUSE:
                refusal = Refused(verdict.reason or Reason.SESSION_UNKNOWN, session_id=presented.session_id)
                if verdict.reason is Reason.RETRY_FROM_ELSEWHERE:
                    self._record_foreign(Event.SESSION_RETRY, row, presented, client, caller, refusal)
                raise refusal
        return None

    def _retry(
        self, seen: SessionRecord, presented: RefreshToken, client: Client, caller: Caller, check: Check | None
    ) -> Refreshed | None:
        parameters = _parameters(presented, client) | {
            "seen_generation": seen.generation,
            "window_ms": client.retry_window * 1000,
        }
        # Before the transaction: a key that is not in memory is read over a connection of its own. Nothing that goes
        # into the successor changes without the generation, which the statement repeats.
        again = self._same_successor(seen, presented)
        with self._database.transaction() as connection:
            row = store.apply(connection, store.RETRY, parameters)
            if row is None:
                return None
            answer = _answer(connection, row, again, Outcome.RETRIED, client, check)
            if row.recent_retries <= _AUDITED_RETRIES:
                record_retry(connection, Event.SESSION_RETRY, row, presented, client, caller, foreign_to=seen)
            return answer

    def _retry_late(
        self, seen: SessionRecord, presented: RefreshToken, client: Client, caller: Caller, check: Check | None
    ) -> Refreshed | None:
        following, new = self._following(presented, seen.generation + 1)
        parameters = _parameters(presented, client) | _place(caller) | new
        parameters |= {
            "seen_generation": seen.generation,
            "window_ms": client.retry_window * 1000,
            "late_allowed": client.late_retries,
        }
        with self._database.transaction() as connection:
            row = store.apply(connection, store.RETRY_LATE, parameters)
            if row is None:
                return None
            answer = _answer(connection, row, following, Outcome.RETRIED_LATE, client, check)
            record_retry(connection, Event.SESSION_LATE_RETRY, row, presented, client, caller, foreign_to=seen)
            return answer

    def _revoke(self, seen: SessionRecord, presented: RefreshToken, client: Client, caller: Caller) -> None:
        """End the session because of reuse, and refuse; return when it moved in the meantime, to be looked at again.

        What must be remembered about a failure is committed before it is raised.
        """
        refusal = Refused(Reason.TOKEN_REUSED, session_id=seen.id)
        with self._database.transaction() as connection:
            if not store.revoke_reused(connection, seen.id, client.client_id, seen.generation, presented.digest):
                return
            detail: dict[str, object] = {
                "presented_generation": presented.generation,
                "current_generation": seen.generation,
                "last_address": seen.last_address,
                "last_user_agent": seen.last_user_agent,
            }
            entry = entry_of(Event.SESSION_REUSE, seen, client, caller, detail)
            audit.record(connection, entry.refused(self._references.of(refusal, client.client_id)))
        raise refusal

    def _defer(self, seen: SessionRecord, presented: RefreshToken, client: Client, caller: Caller) -> None:
        detail: dict[str, object] = {
            "presented_generation": presented.generation,
            "current_generation": seen.generation,
        }
        later = TryLater(Reason.SESSION_FROM_THE_FUTURE, retry_after=_FUTURE_RETRY_AFTER, session_id=seen.id)
        entry = entry_of(Event.SESSION_FROM_THE_FUTURE, seen, client, caller, detail)
        self._refusals.record(entry.refused(self._references.of(later, client.client_id)))
        raise later

    def _record_foreign(
        self,
        event: Event,
        seen: SessionRecord,
        presented: RefreshToken,
        client: Client,
        caller: Caller,
        refusal: Refused | None = None,
    ) -> None:
        """Whoever sent it from elsewhere holds a token of the session: worth a record although nothing was changed."""
        detail: dict[str, object] = {
            "presented_generation": presented.generation,
            "current_generation": seen.generation,
            "from_elsewhere": True,
            "refused": refusal is not None,
        }
        entry = entry_of(event, seen, client, caller, detail)
        self._refusals.record(
            entry if refusal is None else entry.refused(self._references.of(refusal, client.client_id))
        )

    def _following(self, presented: RefreshToken, generation: int) -> tuple[RefreshToken, dict[str, Any]]:
        """A new successor of the presented token, and what the row keeps of it."""
        key = self._keyring.current().token
        salt = secrets.token_bytes(SALT_BYTES)
        following = successor(key, presented, generation, salt)
        return following, {"new_digest": following.digest, "new_salt": salt, "new_key": key.id}

    def _same_successor(self, row: SessionRecord, presented: RefreshToken) -> RefreshToken:
        """The successor that the first caller got, computed again; sent only if it is the one that the row holds."""
        key = self._keyring.token_key(row.token_key_id)
        if key is not None:
            again = successor(key, presented, row.generation, present(row.salt))
            if hmac.compare_digest(again.digest, present(row.current_digest)):
                return again
        raise TryLater(Reason.INTERNAL, retry_after=5, session_id=row.id, detail="the successor cannot be derived")

    def _unit(self, check: Check | None) -> AbstractContextManager[Connection]:
        """One autocommitted statement; a transaction only where a check may have to undo it."""
        return self._database.autocommit() if check is None else self._database.transaction()


def _parameters(presented: RefreshToken, client: Client) -> dict[str, Any]:
    return {
        "session_id": presented.session_id,
        "for_client": client.client_id,
        "for_epoch": client.epoch,
        "presented": presented.digest,
        "access_ms": client.access_token_lifetime * 1000,
        "idle_ms": client.refresh_idle_lifetime * 1000,
    }


def _place(caller: Caller) -> dict[str, Any]:
    return {"address": caller.address, "agent": caller.user_agent}


def _answer(
    connection: Connection,
    row: SessionRecord,
    token: RefreshToken,
    outcome: Outcome,
    client: Client,
    check: Check | None,
) -> Refreshed:
    session = session_of(row)
    if check is not None:
        check(connection, session, client)
    return Refreshed(session, token, outcome, row.now, client)
