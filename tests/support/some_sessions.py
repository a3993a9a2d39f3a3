"""Sessions as rows, without tokens: many sign-ins would take too long."""

from typing import Any
from uuid import UUID

from sqlalchemy import insert

from authserver.database.identifiers import new_id
from authserver.database.sql import now_ms
from authserver.sessions.model import SessionRecord
from authserver.sessions.store import NEW_SESSION
from tests.support.setup import API, Setup

DAY = 86_400


def some_sessions(setup: Setup, count: int, **columns: Any) -> list[UUID]:
    first = setup.sql("SELECT coalesce(max(status_index), 0) AS last FROM sessions")[0].last + 1
    rows = [
        {
            "id": new_id(),
            "user_id": new_id(),
            "client_id": "app",
            "client_epoch": 1,
            "scopes": frozenset({"read", "write"}),
            "audiences": frozenset({API}),
            "roles": frozenset(),
            "auth_methods": frozenset({"pwd"}),
            "status_index": first + number,
            "token_key_id": 1,
            **columns,
        }
        for number in range(count)
    ]
    times = dict.fromkeys(("created_at", "auth_time", "last_used_at", "access_expires_at"), now_ms())
    ends = dict.fromkeys(("idle_expires_at", "absolute_expires_at"), now_ms() + DAY * 1000)
    with setup.database.transaction() as connection:
        connection.execute(insert(SessionRecord).values(**NEW_SESSION, **times, **ends), rows)
    return [row["id"] for row in rows]


def session_count(setup: Setup, where: str = "1 = 1") -> int:
    return int(setup.sql(f"SELECT count(*) AS n FROM sessions WHERE {where}")[0].n)
