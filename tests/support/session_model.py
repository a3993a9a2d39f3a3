"""A model of one session, written from the rules and not from the code: what a server may answer to each refresh.

A model never changes: `refresh` returns the right answer and the next model. So the answers of parallel requests can be
tried in every order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from authserver.sessions.refresh_token import parse

IDLE_SECONDS = 7 * 86_400
NEVER = float("-inf")


class Verdict(Enum):
    """The right answer to a refresh."""

    SUCCESSOR = auto()  # 200 and a new token
    CURRENT = auto()  # 200 and the token that is current already
    REFUSED = auto()  # invalid_grant
    LATER = auto()  # 503 with Retry-After
    ADOPTED = auto()  # 200 and the presented token, which is current from now on


@dataclass(frozen=True)
class Answer:
    """The parts of an answer that the rules decide. `kept_waiting`: it had a Retry-After."""

    status: int
    error: str | None = None
    refresh_token: str | None = None
    kept_waiting: bool = False


@dataclass(frozen=True)
class Policy:
    """A client's retry rules; the window in seconds."""

    window: float
    late_retries: int


@dataclass(frozen=True)
class ModelSession:
    """The state of a session that the rules need. Times are seconds of the test's own clock."""

    current: str
    used_at: float
    previous: str | None = None
    rotated_at: float = NEVER
    generation: int = 0
    current_presented: bool = False
    retries: int = 0
    late_retries: int = 0
    recent_late_retries: int = 0
    ended: str | None = None
    dead: bool = False  # its client's epoch is over
    reuses_recorded: int = 0
    late_retries_recorded: int = 0
    adoptions_recorded: int = 0
    recovering: bool = False  # a recovery is on

    def refresh(self, token: str, policy: Policy, now: float) -> tuple[Verdict, ModelSession]:
        """The right answer to the token, and the session after it. The caller fills in `current`."""
        if self.ended or self.dead:
            return Verdict.REFUSED, self
        if generation(token) > self.generation:
            return (Verdict.ADOPTED, self._adopt(token, now)) if self.recovering else (Verdict.LATER, self)
        if now - self.used_at >= IDLE_SECONDS:
            return Verdict.REFUSED, self
        young = now - self.rotated_at < policy.window
        used = replace(self, used_at=now)
        if token == self.current:
            if young:
                return Verdict.CURRENT, replace(used, current_presented=True)
            moved = replace(used, generation=self.generation + 1, rotated_at=now, current_presented=False)
            return Verdict.SUCCESSOR, replace(moved, previous=token, recent_late_retries=0)
        if token == self.previous and young:
            return Verdict.CURRENT, replace(used, retries=self.retries + 1)
        may_be_late = not self.current_presented and self.recent_late_retries < policy.late_retries
        if token == self.previous and may_be_late:
            moved = replace(used, generation=self.generation + 1, rotated_at=now)
            return Verdict.SUCCESSOR, replace(
                moved,
                late_retries=self.late_retries + 1,
                recent_late_retries=self.recent_late_retries + 1,
                late_retries_recorded=self.late_retries_recorded + 1,
            )
        was_adopted = self.previous is None and self.rotated_at != NEVER
        if was_adopted and young and generation(token) < self.generation:
            return Verdict.LATER, self
        return Verdict.REFUSED, replace(self, ended="reuse", reuses_recorded=self.reuses_recorded + 1)

    def _adopt(self, token: str, now: float) -> ModelSession:
        return replace(
            self,
            current=token,
            generation=generation(token),
            previous=None,
            current_presented=True,
            used_at=now,
            rotated_at=now,
            recent_late_retries=0,
            adoptions_recorded=self.adoptions_recorded + 1,
        )

    def answered(self, token: str, answer: Answer, known: set[str], policy: Policy, now: float) -> ModelSession | None:
        """The session after this answer to this token, or None if the rules do not allow the answer."""
        verdict, after = self.refresh(token, policy, now)
        got = answer.refresh_token
        if verdict is Verdict.REFUSED:
            return after if (answer.status, answer.error) == (400, "invalid_grant") else None
        if verdict is Verdict.LATER:
            return after if answer.status == 503 and answer.kept_waiting else None
        if answer.status != 200 or got is None:
            return None
        if verdict is Verdict.ADOPTED:
            return after if got == token else None
        if verdict is Verdict.CURRENT:
            return after if got == self.current else None
        is_new = got not in known and generation(got) == after.generation
        return replace(after, current=got) if is_new else None

    def end(self, why: str) -> ModelSession:
        """The session after an end; the first end counts."""
        return self if self.ended else replace(self, ended=why)

    def differences(self, row: Any) -> dict[str, tuple[Any, Any]]:
        """The columns whose values contradict the model, each with the model's value and the row's."""
        expected = {
            "generation": self.generation,
            "current_digest": parse(self.current).digest,
            "previous_digest": None if self.previous is None else parse(self.previous).digest,
            "current_presented": self.current_presented,
            "retries": self.retries,
            "late_retries": self.late_retries,
            "recent_late_retries": self.recent_late_retries,
            "revoked_because": self.ended,
        }
        found = {name: getattr(row, name) for name in expected}
        return {name: (expected[name], found[name]) for name in expected if expected[name] != found[name]}


def generation(token: str) -> int:
    """The generation that a token carries."""
    return parse(token).generation
