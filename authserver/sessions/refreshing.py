"""What all ways of a refresh share: the parameters of its statement, its audit event, its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from authserver.clients.model import Client
from authserver.records import audit
from authserver.records.audit import Caller, Event
from authserver.sessions.model import SessionRecord
from authserver.sessions.refresh_token import RefreshToken
from authserver.sessions.values import Outcome, Refreshed

#: May refuse by raising `Refused`. Gets the transaction's connection to read with, the moved session, and the copy of the
#: client that the decision used.
Check = Callable[[Connection, SessionRecord, Client], None]


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a session: the token, whether its key is marked leaked, who sent it, and what decides this time.

    `window_ms` is how long ago the client's retry window began, which is longer after a silence.
    """

    presented: RefreshToken
    leaked: bool
    client: Client
    window_ms: int
    caller: Caller
    check: Check


def parameters(look: Look) -> dict[str, Any]:
    """What every statement of `store` is given."""
    client = look.client
    return {
        "session_id": look.presented.session_id,
        "for_client": client.client_id,
        "for_epoch": client.epoch,
        "presented": look.presented.digest,
        "access_ms": client.access_token_lifetime * 1000,
        "idle_ms": client.refresh_idle_lifetime * 1000,
    }


def sender(look: Look) -> dict[str, Any]:
    """What the statements are given that take the sender for the session's last."""
    return {"address": look.caller.address, "agent": look.caller.user_agent}


def entry(event: Event, row: SessionRecord, look: Look, **more: object) -> audit.Entry:
    """The audit event of a refresh, with the generations of the row and of the token."""
    generations = {"presented_generation": look.presented.generation, "current_generation": row.generation}
    return audit.Entry(
        event,
        actor=f"client:{look.client.client_id}",
        client_id=look.client.client_id,
        user_id=row.user_id,
        session_id=row.id,
        caller=look.caller,
        detail=generations | more,
    )


def answer(
    connection: Connection,
    row: SessionRecord,
    token: RefreshToken,
    outcome: Outcome,
    client: Client,
    check: Check | None,
) -> Refreshed:
    """The answer of a session that has moved. `check` may refuse it by raising `Refused`."""
    if check is not None:
        check(connection, row, client)
    return Refreshed(row, token, outcome, row.now, client)
