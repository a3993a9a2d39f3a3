"""What to do about a refresh token that is not current: the decision table, as one pure function.

docs/architecture.md, "The refresh token", has the table. The function reads a row and changes nothing. The statement
that acts on its decision repeats the condition, so a row that moved in between is decided anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from authserver.clients.model import Client
from authserver.records.audit import Caller
from authserver.refusals.reasons import Reason
from authserver.sessions.model import SessionRecord


class Act(Enum):
    """What to do about a presented token."""

    ROTATE = auto()  # the token is current after all: another caller's transaction was rolled back
    REREAD_CLIENT = auto()  # the cached client is old: the session has a newer epoch
    REFUSE = auto()  # change nothing
    DEFER = auto()  # the database went back in time: the client keeps its token and tries again later
    ADOPT = auto()  # the same, and a recovery is on: the presented token becomes the current one
    RETRY = auto()  # answer with the same successor
    RETRY_LATE = auto()  # answer with a different successor, one generation later
    END = auto()  # reuse: end the session


@dataclass(frozen=True, slots=True)
class Presented:
    """What the decision knows about the presented token. Its tag has been verified.

    `leaked` says that its token key is marked leaked: an attacker can make such tags, so a mismatch proves no theft.
    """

    generation: int
    digest: bytes
    leaked: bool


@dataclass(frozen=True, slots=True)
class Decision:
    act: Act
    reason: Reason | None = None


def decide(
    row: SessionRecord,
    presented: Presented,
    client: Client,
    caller: Caller,
    now: int,
    *,
    window_ms: int,
    recovering: bool = False,
) -> Decision:
    """Apply the table in its order. `now` is the database's time when the row was read, in milliseconds.

    `window_ms` is how long ago the client's retry window began, which is longer after a silence. `recovering` says that an
    operator has declared a recovery (docs/decisions/recovery.md).
    """
    refusal = _refusal_reason(row, client, now)
    if refusal is not None:
        return Decision(Act.REFUSE, refusal)
    if row.client_epoch > client.epoch:
        return Decision(Act.REREAD_CLIENT)
    if presented.generation > row.generation:
        return _decide_newer(presented, recovering=recovering)
    if row.idle_expires_at <= now:
        return Decision(Act.REFUSE, Reason.SESSION_EXPIRED)
    if presented.digest == row.current_digest:
        return Decision(Act.ROTATE)
    if presented.digest == row.previous_digest:
        return _decide_predecessor(row, client, caller, now, window_ms)
    if presented.leaked:
        return Decision(Act.REFUSE, Reason.TOKEN_LEAKED_KEY)
    if presented.generation < row.generation and _was_just_adopted(row, now, window_ms):
        return Decision(Act.DEFER, Reason.SESSION_JUST_ADOPTED)
    return Decision(Act.END, Reason.TOKEN_REUSED)


def is_foreign(row: SessionRecord, caller: Caller) -> bool:
    """Whether a retry comes from another address and another user agent than the rotation."""
    return caller.address != row.last_address and caller.user_agent != row.last_user_agent


def _refusal_reason(row: SessionRecord, client: Client, now: int) -> Reason | None:
    if row.client_id != client.client_id:
        return Reason.SESSION_OF_OTHER_CLIENT
    if row.revoked_at is not None:
        return Reason.SESSION_REVOKED
    if row.client_epoch < client.epoch:
        return Reason.SESSION_CLIENT_EPOCH
    if row.absolute_expires_at <= now:
        return Reason.SESSION_EXPIRED
    return None


def _decide_newer(presented: Presented, *, recovering: bool) -> Decision:
    # The row lost its last uses, so its idle expiry is too early and does not count.
    if not recovering:
        return Decision(Act.DEFER, Reason.SESSION_FROM_THE_FUTURE)
    # A thief of the key can make any generation. To adopt it would give him the session.
    return Decision(Act.REFUSE, Reason.TOKEN_LEAKED_KEY) if presented.leaked else Decision(Act.ADOPT)


def _is_within_window(row: SessionRecord, now: int, window_ms: int) -> bool:
    # A clock that went back (failover to another host) makes the age negative. That counts as within the window.
    return row.rotated_at is not None and now - row.rotated_at < window_ms


def _was_just_adopted(row: SessionRecord, now: int, window_ms: int) -> bool:
    # Only an adoption leaves a rotation time without a predecessor.
    return row.previous_digest is None and _is_within_window(row, now, window_ms)


def _decide_predecessor(row: SessionRecord, client: Client, caller: Caller, now: int, window_ms: int) -> Decision:
    within_window = _is_within_window(row, now, window_ms)
    may_be_late = not row.current_presented and row.recent_late_retries < client.late_retries
    if not within_window and not may_be_late:
        return Decision(Act.END, Reason.TOKEN_REUSED)
    if client.refuse_foreign_retries and is_foreign(row, caller):
        return Decision(Act.REFUSE, Reason.RETRY_FROM_ELSEWHERE)
    return Decision(Act.RETRY if within_window else Act.RETRY_LATE)
