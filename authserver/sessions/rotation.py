"""Rotation: trade the current refresh token for its successor (RFC 6749 section 6, RFC 9700 4.14).

docs/architecture.md, "The refresh token", explains it. Nearly every refresh is one statement that commits by itself.
If it finds no row, the session is read and the decision table is applied. The statement that acts on the decision
repeats its condition. If that finds no row either, another caller has moved the session, and the loop starts again.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any

from sqlalchemy import Update

from authserver.clients.model import Client
from authserver.clients.registry import ClientRegistry
from authserver.database.engine import Database
from authserver.database.tables import present
from authserver.keys.keyring import Keyring
from authserver.records import audit
from authserver.records.audit import Caller, Event
from authserver.records.refusals import RefusalRecorder
from authserver.refusals.exceptions import Refused, TryLater
from authserver.refusals.reasons import Reason
from authserver.refusals.references import References
from authserver.sessions import decision, refreshing, store
from authserver.sessions.decision import Act, Presented
from authserver.sessions.model import SessionRecord
from authserver.sessions.refresh_token import MAX_GENERATION, SALT_BYTES, Malformed, RefreshToken, parse, successor
from authserver.sessions.refreshing import Check, Look
from authserver.sessions.values import Outcome, Refreshed

#: More characters than the scopes, audiences and roles of any session.
_ANY = 2**31 - 1

#: How often a refresh looks again after another caller has moved its session. Each time one of the callers succeeds.
_MAX_LOOKS = 20

#: So many retries of one generation get an audit event each; the rest of a flood is only counted.
_AUDITED_RETRIES = 8

#: The audit event of each answer that another token than the current one gets.
_EVENTS = {
    Outcome.RETRIED: Event.SESSION_RETRY,
    Outcome.RETRIED_LATE: Event.SESSION_LATE_RETRY,
    Outcome.ADOPTED: Event.SESSION_ADOPTED,
}

#: Seconds that a client should wait while the database is behind its tokens.
_FUTURE_RETRY_AFTER = 30

#: Seconds that a client should wait whose other request has just brought a newer token.
_ADOPTED_RETRY_AFTER = 5


class Rotation:
    """Refreshes sessions. Safe for threads and processes; all state is in the row."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        clients: ClientRegistry,
        refusals: RefusalRecorder,
        references: References,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._clients = clients
        self._refusals = refusals
        self._references = references

    def refresh(self, text: str, client: Client, caller: Caller, check: Check, unchecked: int) -> Refreshed:
        """Answer a refresh token. Commits. The usual case is one statement.

        Of any number of parallel callers with the same token exactly one rotates it, and all get the same successor
        while the retry window lasts. `check` may refuse by raising `Refused`: that undoes the rotation, and the token
        stays usable. The usual case calls it only if scopes, audiences and roles of the session have more than
        `unchecked` characters, and always if that is negative. Does not check that the client may use the grant: do
        that before.

        Raises:
            Refused: malformed or forged token, ended session, or one just ended because of reuse; `reason` says which.
            TryLater: the token is newer than its session, or other callers move the session too fast.
        """
        presented, leaked = self.genuine(text)
        for attempt in range(_MAX_LOOKS):
            # The window does not pass in a silence: a rotation may have been committed whose client got no answer.
            window_ms = round(self._database.stretched(client.retry_window) * 1000)
            look = Look(presented, leaked, client, window_ms, caller, check)
            quick = attempt == 0 and unchecked >= 0
            refreshed = self._rotate(look, unchecked if quick else None) or self._decide(look)
            if isinstance(refreshed, Refreshed):
                return refreshed
            client = refreshed or client
        raise TryLater(Reason.DATABASE_UNAVAILABLE, retry_after=1, session_id=presented.session_id)

    def genuine(self, text: str) -> tuple[RefreshToken, bool]:
        """Parse a token and check its tag. No statement. Returns the token and whether its key is marked leaked.

        Raises:
            Refused: the token is malformed or forged, or its key is unknown.
        """
        try:
            token = parse(text)
        except Malformed as error:
            raise Refused(Reason.TOKEN_MALFORMED) from error
        key = self._keyring.token_key(token.key_id)
        if key is None:
            raise Refused(Reason.TOKEN_KEY_UNKNOWN)
        # No session gets to the last generation: that token was made with a leaked key, and it can have no successor.
        if not token.is_genuine(key) or token.generation == MAX_GENERATION:
            raise Refused(Reason.TOKEN_FORGED)
        return token, key.leaked

    def _rotate(self, look: Look, most: int | None) -> Refreshed | None:
        """Run the one statement. `most` is the most characters that scopes, audiences and roles may have without a check."""
        presented, client, caller = look.presented, look.client, look.caller
        rotates = client.refresh_policy == "rotate"
        statement = store.ROTATE if rotates else store.KEEP
        following, new = self._new_successor(presented, presented.generation + 1)
        parameters = refreshing.parameters(look) | refreshing.sender(look) | {"most": _ANY if most is None else most}
        if rotates:
            parameters |= new | {"window_ms": look.window_ms}
        # Without a check, the one statement commits by itself. A check needs a transaction, which it may undo.
        with self._database.transaction() if most is None else self._database.autocommit() as connection:
            row = store.apply(connection, statement, parameters | {"latest": self._database.latest()})
            if row is None:
                return None
            kept = row.generation == presented.generation
            token, outcome = (presented, Outcome.KEPT) if kept else (following, Outcome.ROTATED)
            answer = refreshing.answer(connection, row, token, outcome, client, look.check if most is None else None)
        if kept and rotates and decision.is_foreign(row, caller):
            self._record_foreign(Event.SESSION_KEPT, row, look)
        return answer

    def _decide(self, look: Look) -> Refreshed | Client | None:
        """Act on the decision table. Returns the answer; or, to look again, None or a newer copy of the client."""
        presented, client = look.presented, look.client
        row = store.read_anew(self._database, presented.session_id)
        if row is None:
            raise Refused(Reason.SESSION_UNKNOWN, session_id=presented.session_id)
        seen = Presented(presented.generation, presented.digest, look.leaked)
        verdict = decision.decide(
            row, seen, client, look.caller, row.now, window_ms=look.window_ms, recovering=row.recovering
        )
        match verdict.act:
            case Act.RETRY:
                return self._retry(row, look)
            case Act.RETRY_LATE:
                return self._retry_late(row, look)
            case Act.REREAD_CLIENT:
                return self._clients.find_epoch(client.client_id, row.client_epoch)
            case Act.END:
                # This node's copy of the client is seconds old: its window or late retries may be longer by now.
                present = self._clients.find_now(client.client_id)
                if present is not None and present.enabled and present != client:
                    return present
                self._end_reused(row, look)
            case Act.ADOPT:
                return self._adopt(row, look)
            case Act.DEFER:
                self._defer(verdict.reason, row, look)
            case Act.REFUSE:
                self._refuse(verdict.reason, row, look)
        return None

    def _retry(self, seen: SessionRecord, look: Look) -> Refreshed | None:
        # What the successor is made of changes only with the generation, and the statement repeats the generation.
        again = self._same_successor(seen, look.presented)
        return self._act(store.RETRY, seen, look, again, Outcome.RETRIED, {"window_ms": look.window_ms})

    def _retry_late(self, seen: SessionRecord, look: Look) -> Refreshed | None:
        following, new = self._new_successor(look.presented, seen.generation + 1)
        parameters = refreshing.sender(look) | new
        parameters |= {"window_ms": look.window_ms, "late_allowed": look.client.late_retries}
        return self._act(store.RETRY_LATE, seen, look, following, Outcome.RETRIED_LATE, parameters)

    def _adopt(self, seen: SessionRecord, look: Look) -> Refreshed | None:
        """The row lost what it knew of this token: take it for the current one. It stays current for a window."""
        presented = look.presented
        parameters = refreshing.sender(look)
        parameters |= {"newer_generation": presented.generation, "new_key": presented.key_id}
        return self._act(store.ADOPT, seen, look, presented, Outcome.ADOPTED, parameters)

    def _act(
        self,
        statement: Update,
        seen: SessionRecord,
        look: Look,
        token: RefreshToken,
        outcome: Outcome,
        parameters: dict[str, Any],
    ) -> Refreshed | None:
        """Run the statement of a decision, and answer with the token. Returns None if the session moved: look again.

        The token is made before: a key that is not in memory is read over a second connection.
        """
        parameters = refreshing.parameters(look) | {"seen_generation": seen.generation} | parameters
        with self._database.transaction() as connection:
            row = store.apply(connection, statement, parameters)
            if row is None:
                return None
            answer = refreshing.answer(connection, row, token, outcome, look.client, look.check)
            if outcome is not Outcome.RETRIED or row.recent_retries <= _AUDITED_RETRIES:
                shown = seen if outcome is Outcome.ADOPTED else row  # how far the row was behind
                elsewhere = decision.is_foreign(seen, look.caller)
                audit.record(connection, refreshing.entry(_EVENTS[outcome], shown, look, from_elsewhere=elsewhere))
            return answer

    def _refuse(self, reason: Reason | None, seen: SessionRecord, look: Look) -> None:
        refusal = Refused(reason or Reason.SESSION_UNKNOWN, session_id=seen.id)
        if reason is Reason.RETRY_FROM_ELSEWHERE:
            self._record_foreign(Event.SESSION_RETRY, seen, look, refusal)
        raise refusal

    def _end_reused(self, seen: SessionRecord, look: Look) -> None:
        """End the session because of reuse, commit, and refuse. Return if the session moved meanwhile: look again.

        The end is committed before the refusal is raised, so the refusal cannot undo it.
        """
        refusal = Refused(Reason.TOKEN_REUSED, session_id=seen.id)
        client_id, digest = look.client.client_id, look.presented.digest
        with self._database.transaction() as connection:
            if not store.end_reused(connection, seen.id, client_id, seen.generation, digest):
                return
            last = {"last_address": seen.last_address, "last_user_agent": seen.last_user_agent}
            entry = refreshing.entry(Event.SESSION_REUSE, seen, look, **last)
            audit.record(connection, entry.refused(self._references.of(refusal, client_id)))
        raise refusal

    def _defer(self, reason: Reason | None, seen: SessionRecord, look: Look) -> None:
        if reason is Reason.SESSION_JUST_ADOPTED:
            raise TryLater(reason, retry_after=_ADOPTED_RETRY_AFTER, session_id=seen.id)
        later = TryLater(Reason.SESSION_FROM_THE_FUTURE, retry_after=_FUTURE_RETRY_AFTER, session_id=seen.id)
        entry = refreshing.entry(Event.SESSION_FROM_THE_FUTURE, seen, look)
        self._refusals.record(entry.refused(self._references.of(later, look.client.client_id)))
        raise later

    def _record_foreign(self, event: Event, seen: SessionRecord, look: Look, refusal: Refused | None = None) -> None:
        """Record a token that came from elsewhere: its sender may be a thief, although nothing has changed."""
        entry = refreshing.entry(event, seen, look, from_elsewhere=True, refused=refusal is not None)
        if refusal is not None:
            entry = entry.refused(self._references.of(refusal, look.client.client_id))
        self._refusals.record(entry)

    def _new_successor(self, presented: RefreshToken, generation: int) -> tuple[RefreshToken, dict[str, Any]]:
        """Make a new successor of the presented token, and the columns that the row keeps of it."""
        key = self._keyring.current().token
        salt = secrets.token_bytes(SALT_BYTES)
        following = successor(key, presented, generation, salt)
        return following, {"new_digest": following.digest, "new_salt": salt, "new_key": key.id}

    def _same_successor(self, row: SessionRecord, presented: RefreshToken) -> RefreshToken:
        """Compute again the successor that the first caller got. Its digest must be the one in the row."""
        key = self._keyring.token_key(row.token_key_id)
        if key is not None:
            again = successor(key, presented, row.generation, present(row.salt))
            if hmac.compare_digest(again.digest, present(row.current_digest)):
                return again
        raise TryLater(Reason.INTERNAL, retry_after=5, session_id=row.id, detail="the successor cannot be derived")
