"""A thief with the master key and a copy of the database of one moment, and what that is good for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from authserver.keys.keyring import Keyring, Snapshot
from authserver.keys.vault import MasterKeyError, Vault
from authserver.pages.flashes import Flash, FlashSigner
from authserver.refusals.reasons import Reason
from authserver.refusals.references import References, Refusal
from authserver.sessions import refresh_token as wire
from authserver.tokens import opaque
from authserver.tokens.signing import sign
from tests.support.oauth import claims
from tests.support.setup import Setup

MESSAGE = "Call this number and read your password out."


@dataclass
class Thief:
    """Copies the database when it is made, and reads it no more."""

    setup: Setup
    vault: Vault
    keys: Snapshot = field(init=False)
    sessions: dict[UUID, Any] = field(init=False)
    answers: list[Any] = field(init=False)
    visits: list[UUID] = field(init=False)

    def __post_init__(self) -> None:
        self.keys = Keyring(self.setup.database, self.vault, max_age=0).current()
        self.sessions = {row.id: row for row in self.setup.sql("SELECT * FROM sessions")}
        self.answers = self.setup.sql("SELECT digest, sealed_answer FROM idempotency_keys")
        self.visits = [row.id for row in self.setup.sql("SELECT id FROM visits")]

    def access_token(self, like: str) -> str:
        """One that says what this token says, but of another user."""
        return sign(self.keys, "at+jwt", {**claims(like), "sub": "somebody-else", "jti": str(uuid4())})

    def opaque_token(self, like: str) -> str:
        return opaque.seal(self.keys, {**claims(like), "jti": str(uuid4())})

    def current_token(self, used: str) -> str:
        """The refresh token that was current in the copy, from a used one of that session that was caught elsewhere."""
        presented = wire.parse(used)
        row = self.sessions[presented.session_id]
        key = self.keys.token_keys[row.token_key_id]
        return wire.successor(key, presented, row.generation, bytes(row.salt)).encode()

    def reused_token(self, session_id: str) -> str:
        """One that looks like an early token of this session."""
        return wire.issue(self.keys.token, UUID(session_id), 0, b"a guess that is not the secret!!").encode()

    def reference(self) -> str:
        return References(self.vault.reference_key()).seal(Refusal(Reason.CLIENT_DISABLED, 0))

    def page_message(self) -> str:
        """The value of a cookie that shows a message in the browser of the one visit of the copy."""
        (visit,) = self.visits
        return FlashSigner(self.vault.pages_key()).seal([Flash(MESSAGE)], visit.hex)

    def answer(self) -> dict[str, Any]:
        """The answer to a program that was kept under the one idempotency key of the copy."""
        (row,) = self.answers
        opened = self.vault.open(bytes(row.sealed_answer), purpose=f"idempotency {bytes(row.digest).hex()}")
        answer: dict[str, Any] = json.loads(json.loads(opened)[2])
        return answer

    def opens_a_key_of(self, setup: Setup) -> bool:
        """Whether the master key opens a key of a newer copy."""
        for row in setup.sql("SELECT kind, kid, sealed FROM keys WHERE sealed IS NOT NULL"):
            try:
                self.vault.open(bytes(row.sealed), purpose=f"{row.kind}:{row.kid or ''}")
            except MasterKeyError:
                continue
            return True
        return False
