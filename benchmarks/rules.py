"""The rules of several servers for refresh tokens, for the simulation.

Our rules and strict rotation call the server's own `decide`. Only the writes around it are modelled here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from authserver.clients.model import Client
from authserver.records.audit import Caller
from authserver.sessions.decision import Act, Presented, decide
from authserver.sessions.model import SessionRecord

#: Seconds of our retry window and of the grace time of others.
WINDOW = 30
#: The first token of a session.
FIRST = 1

_HOME = Caller("192.0.2.1", "App")
_FOREVER = 2**62


class Session(Protocol):
    """A session on a server. A token is a number; None means that the session is over. Times are in seconds."""

    def present(self, token: int, now: float) -> int | None: ...


class Rotating:
    """A session on our server, or with window 0 under strict rotation."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._window = client.retry_window * 1000
        # The simulation is about rotation, so no session ends by age.
        self._row = SessionRecord(
            generation=FIRST, current_digest=_digest(FIRST), current_presented=False, recent_late_retries=0,
            client_id="app", client_epoch=1, idle_expires_at=_FOREVER, absolute_expires_at=_FOREVER,
            last_address=_HOME.address, last_user_agent=_HOME.user_agent,
        )  # fmt: skip

    def present(self, token: int, now: float) -> int | None:
        row, ms, presented = self._row, int(now * 1000), _digest(token)
        # This is ROTATE of sessions/store.py: its WHERE, then its CASE, which keeps the token within the window.
        if presented == row.current_digest and row.revoked_at is None:
            if row.rotated_at is not None and ms < row.rotated_at + self._window:
                row.current_presented = True
                return token
            row.previous_digest, row.recent_late_retries, row.current_presented = presented, 0, False
            return self._move(ms)
        seen = Presented(token, presented, leaked=False)
        verdict = decide(row, seen, self._client, _HOME, ms, window_ms=self._window)
        match verdict.act:
            case Act.RETRY:
                return row.generation
            case Act.RETRY_LATE:
                row.recent_late_retries += 1
                return self._move(ms)
            case Act.END:
                row.revoked_at = ms
            case Act.REFUSE:
                pass
            case other:
                raise AssertionError(other)  # in the simulation no clock goes back and no client changes
        return None

    def _move(self, ms: int) -> int:
        row = self._row
        row.generation += 1
        row.current_digest, row.rotated_at = _digest(row.generation), ms
        return row.generation


class Forking:
    """A session with a grace time, in which a used token is good again. Each use makes one more good token."""

    def __init__(self, grace: int) -> None:
        self._grace = grace
        self._used: dict[int, float] = {}
        self._last = FIRST
        self._over = False

    def present(self, token: int, now: float) -> int | None:
        self._over = self._over or now >= self._used.setdefault(token, now) + self._grace
        if self._over:
            return None
        self._last += 1
        return self._last


@dataclass(frozen=True)
class Policy:
    name: str
    make: Callable[[], Session]


def _ours(window: int, late_retries: int) -> Callable[[], Session]:
    client = _client(window, late_retries)
    return lambda: Rotating(client)


def _digest(token: int) -> bytes:
    return token.to_bytes(8)


def _client(window: int, late_retries: int) -> Client:
    nothing: frozenset[str] = frozenset()
    return Client(
        client_id="app", auth_methods=nothing, secret_digests=(), grants=nothing, scopes=nothing,
        default_scopes=nothing, default_api=None, refresh_policy="rotate", retry_window=window,
        late_retries=late_retries, refuse_foreign_retries=False, sends_user_address=False, access_token_lifetime=900,
        refresh_idle_lifetime=604_800, refresh_absolute_lifetime=2_592_000, max_sessions_per_user=None, enabled=True,
        epoch=1, status_index=None, access_token_format="jwt", token_delivery="json", origins=nothing,
    )  # fmt: skip


STRICT = Policy("strict rotation", _ours(0, 0))
FORKING = Policy(f"grace of {WINDOW} s that forks", lambda: Forking(WINDOW))
OURS = Policy(f"ours, window {WINDOW} s", _ours(WINDOW, 0))
OURS_LATE = Policy(f"ours, window {WINDOW} s, 1 late retry", _ours(WINDOW, 1))
POLICIES = (STRICT, FORKING, OURS, OURS_LATE)
