"""Millions of sessions on PostgreSQL that can all be refreshed: made by one statement, their tokens computed when needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from uuid import UUID

import psycopg

from authserver.keys.keyring import Keyring
from authserver.keys.setup import open_vault
from authserver.sessions.model import SessionRecord
from authserver.sessions.refresh_token import issue
from tests.support.oauth import App
from tests.support.setup import Setup
from tests.support.some_sessions import DAY, some_sessions

#: Rows of one statement.
_CHUNK = 500_000
#: The sessions were opened in the last so many milliseconds, at equal distances.
_OPENED_MS = 5 * DAY * 1000


class ManySessions:
    """Sessions 0 to `count` - 1. The ids are UUIDv7, and the secret of a session follows from its id."""

    def __init__(self, setup: Setup, app: App, count: int) -> None:
        setup.key_rotation().ensure()
        self._key = Keyring(setup.database, open_vault(setup.settings), max_age=3600).current().token
        self._first_ms = setup.database.now() - _OPENED_MS
        self._step = _OPENED_MS // count
        columns = {"client_id": app.client_id, "token_key_id": self._key.id}
        (pattern,) = some_sessions(setup, 1, **columns, current_digest=b"", status_index=0)
        self._fill(setup, pattern, count)
        setup.sql("DELETE FROM sessions WHERE id = :id", id=pattern)
        with setup.database.autocommit() as connection:
            connection.exec_driver_sql("VACUUM (ANALYZE) sessions")
        assert setup.postgres is not None
        with psycopg.connect(setup.postgres.admin_url, autocommit=True) as superuser:
            superuser.execute("CHECKPOINT")  # so that a measurement need not write the rows just made

    def tokens(self, numbers: Iterable[int]) -> list[str]:
        """The refresh tokens of these sessions, as they were after the sign-in."""
        return [self._token(number) for number in numbers]

    def _token(self, number: int) -> str:
        session_id = self._id(number)
        return issue(self._key, session_id, 0, hashlib.sha256(session_id.bytes).digest()).encode()

    def _id(self, number: int) -> UUID:
        digest = hashlib.md5(str(number).encode()).hexdigest()  # spreads the random bits; keeps no secret
        return UUID(hex=f"{self._first_ms + number * self._step:012x}7{digest[:3]}8{digest[3:18]}")

    def _fill(self, setup: Setup, pattern: UUID, count: int) -> None:
        session_id = (
            f"(lpad(to_hex({self._first_ms} + n * {self._step}), 12, '0') || '7' || substr(md5(n::text), 1, 3)"
            " || '8' || substr(md5(n::text), 4, 15))::uuid"
        )
        made = {
            "id": "made.id",
            "user_id": f"md5((n % {max(1, count // 5)})::text)::uuid",
            "status_index": "n + 1",
            "current_digest": "sha256(sha256(uuid_send(made.id)))",
        }
        columns = [column.name for column in SessionRecord.__table__.columns]
        values = ", ".join(made.get(name, f"pattern.{name}") for name in columns)
        for start in range(0, count, _CHUNK):
            numbers = f"generate_series({start}, {min(count, start + _CHUNK) - 1}) AS n"
            setup.sql(
                f"INSERT INTO sessions ({', '.join(columns)}) SELECT {values} FROM {numbers}"
                f" CROSS JOIN LATERAL (SELECT {session_id} AS id) AS made"
                " CROSS JOIN (SELECT * FROM sessions WHERE sessions.id = :pattern) AS pattern",
                pattern=pattern,
            )
