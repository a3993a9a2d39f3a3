"""The audit events of refreshes: the session, its user, and what the client sent from where."""

from __future__ import annotations

from sqlalchemy import Connection

from authserver.clients.model import Client
from authserver.records import audit
from authserver.records.audit import Caller, Event
from authserver.sessions import decision
from authserver.sessions.model import SessionRecord
from authserver.sessions.refresh_token import RefreshToken


def entry_of(
    event: Event, row: SessionRecord, client: Client, caller: Caller, detail: dict[str, object]
) -> audit.Entry:
    return audit.Entry(
        event,
        actor=f"client:{client.client_id}",
        client_id=client.client_id,
        user_id=row.user_id,
        session_id=row.id,
        caller=caller,
        detail=detail,
    )


def record_retry(
    connection: Connection,
    event: Event,
    row: SessionRecord,
    presented: RefreshToken,
    client: Client,
    caller: Caller,
    *,
    foreign_to: SessionRecord,
) -> None:
    detail: dict[str, object] = {
        "presented_generation": presented.generation,
        "current_generation": row.generation,
        "from_elsewhere": decision.is_foreign(foreign_to, caller),
    }
    audit.record(connection, entry_of(event, row, client, caller, detail))
