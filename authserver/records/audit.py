"""The audit record: append-only events, each written in the transaction of its act.

An act that is rolled back leaves no event, and an act that is committed cannot lack one. Plain rotations are counted
by the metrics, not recorded; refusals that anyone can repeat at will are recorded at a bounded rate (`refusals.py`).
Each event is also one line of the log, written after the commit. No event holds a token, a password or a secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import BigInteger, Connection, Index, Select, String, Text, Uuid, insert, literal, select, tuple_
from sqlalchemy.orm import Mapped, mapped_column

from authserver.database.engine import after_commit
from authserver.database.identifiers import new_id
from authserver.database.sql import now_ms
from authserver.database.tables import Model, all_rows, one_row

#: Each event goes to this logger too, at every level of the log (`operations/logs`).
_log = structlog.get_logger("authserver.audit")


class Event(StrEnum):
    """What can happen; the value is stored, so it never changes its meaning."""

    SESSION_OPENED = "session.opened"
    SESSION_REVOKED = "session.revoked"
    SESSION_KEPT = "session.kept"  # only when the current token came from elsewhere inside the window
    SESSION_RETRY = "session.retry"
    SESSION_LATE_RETRY = "session.late_retry"
    SESSION_REUSE = "session.reuse"
    SESSION_FROM_THE_FUTURE = "session.from_the_future"
    SESSION_ADOPTED = "session.adopted"
    SESSIONS_SWEPT = "sessions.swept"
    RECOVERY_STARTED = "recovery.started"
    RECOVERY_ENDED = "recovery.ended"
    SIGN_IN_REFUSED = "sign_in.refused"
    VISIT_OPENED = "visit.opened"
    VISIT_ENDED = "visit.ended"
    CLIENT_REFUSED = "client.refused"
    CLIENT_ADDED = "client.added"
    CLIENT_CHANGED = "client.changed"
    CLIENT_DISABLED = "client.disabled"
    CLIENT_ENABLED = "client.enabled"
    CLIENT_SECRET_ROTATED = "client.secret_rotated"
    CLIENT_REMOVED = "client.removed"
    CLIENT_TOKENS_ENDED = "client.tokens_ended"
    USER_ADDED = "user.added"
    USER_CHANGED = "user.changed"
    USER_PASSWORD_SET = "user.password_set"
    USER_PASSWORD_CHANGED = "user.password_changed"
    USER_PASSWORD_LINK_ISSUED = "user.password_link_issued"
    USER_PASSWORD_LINK_USED = "user.password_link_used"
    USER_DATA_DOWNLOADED = "user.data_downloaded"
    USER_SIGN_IN_CODE_MADE = "user.sign_in_code_made"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    USER_REMOVED = "user.removed"
    USER_IMPORTED = "user.imported"
    USERS_IMPORTED = "users.imported"
    USERS_EXPORTED = "users.exported"
    API_ADDED = "api.added"
    API_CHANGED = "api.changed"
    API_REMOVED = "api.removed"
    KEY_CREATED = "key.created"
    KEY_PROMOTED = "key.promoted"
    KEY_LEAKED = "key.leaked"
    KEYS_REWRAPPED = "keys.rewrapped"
    THROTTLE_LIFTED = "throttle.lifted"


_ADDRESS_LENGTH = 45
_USER_AGENT_LENGTH = 200


class AuditRecord(Model):
    """One event. Ids are UUIDv7, whose order is close enough to the order of time for paging."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_at", "at"),
        Index("ix_audit_events_user_id", "user_id", "at"),
        Index("ix_audit_events_client_id", "client_id", "at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger)
    event: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(100))
    subject: Mapped[str | None] = mapped_column(Text)
    client_id: Mapped[str | None] = mapped_column(String(32))
    user_id: Mapped[UUID | None] = mapped_column(Uuid)
    session_id: Mapped[UUID | None] = mapped_column(Uuid)
    address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(200))
    outcome: Mapped[str | None] = mapped_column(String(10))
    reference: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from. `user_agent` is cut to what a row holds."""

    address: str | None = None
    user_agent: str | None = None

    @classmethod
    def of(cls, address: str | None, user_agent: str | None) -> Caller:
        """Make it from a request. Too long text is cut, and characters that cannot be printed are replaced."""
        if user_agent is not None:
            user_agent = user_agent[:_USER_AGENT_LENGTH]
            if not user_agent.isprintable():
                user_agent = "".join(c if c.isprintable() else "?" for c in user_agent)
        return cls((address or "")[:_ADDRESS_LENGTH] or None, user_agent)


class Outcome(StrEnum):
    """Whether the act was done or refused. Reuse that ended a session is refused, as its request was."""

    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Entry:
    """What `record` writes.

    `actor` is `client:<id>`, `user:<id>`, `cli:<login name>`, `server`, or `browser` before a sign-in.
    """

    event: Event
    actor: str
    subject: str | None = None
    client_id: str | None = None
    user_id: UUID | None = None
    session_id: UUID | None = None
    caller: Caller = Caller()
    outcome: Outcome = Outcome.DONE
    reference: str | None = None
    detail: Mapping[str, object] = field(default_factory=dict)

    def refused(self, reference: str) -> Entry:
        """This entry for an act that was refused; `reference` is what the caller gets (`References.of`)."""
        return replace(self, outcome=Outcome.REFUSED, reference=reference)


_INSERT = insert(AuditRecord).values(at=now_ms())


def record(connection: Connection, *entries: Entry) -> None:
    """Write events on the connection of the act. Does not commit: the act's transaction does. One statement.

    Each is logged too, as one line, once that transaction is committed.
    """
    rows = [_columns(entry) for entry in entries]
    connection.execute(_INSERT, rows)
    after_commit(connection, lambda: _write_lines(rows))


def _columns(entry: Entry) -> dict[str, Any]:
    return {
        "id": new_id(),
        "event": entry.event.value,
        "actor": entry.actor,
        "subject": entry.subject,
        "client_id": entry.client_id,
        "user_id": entry.user_id,
        "session_id": entry.session_id,
        "address": entry.caller.address,
        "user_agent": entry.caller.user_agent,
        "outcome": entry.outcome.value,
        "reference": entry.reference,
        "detail": json.dumps(dict(entry.detail), sort_keys=True, default=str),
    }


def _write_lines(rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        fields = {name: str(value) if isinstance(value, UUID) else value for name, value in row.items()}
        _log.info(fields.pop("event"), **{**fields, "detail": json.loads(row["detail"])})


@dataclass(frozen=True, slots=True)
class Search:
    """Which events to find; None matches all. Times are in milliseconds since the epoch, `until` not included.

    `event` is an event's value, or the part before its dot for all events of that noun. In the same way `actor` is a
    whole actor, or the part before its colon.
    """

    event: str | None = None
    client_id: str | None = None
    user_id: UUID | None = None
    session_id: UUID | None = None
    since: int | None = None
    until: int | None = None
    actor: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """The place of an event in the record, from which a page goes on. Later events do not move it."""

    at: int
    id: UUID

    @classmethod
    def of(cls, row: AuditRecord) -> Position:
        """The place of an event."""
        return cls(row.at, row.id)


def find(
    connection: Connection, search: Search, *, limit: int, before: Position | None = None
) -> Sequence[AuditRecord]:
    """The newest events that match, newest first; with `before` only older ones. One statement."""
    statement = _matching(search).order_by(AuditRecord.at.desc(), AuditRecord.id.desc()).limit(limit)
    if before is not None:
        # The first condition follows from the second, but the index on the time can serve only the first.
        statement = statement.where(AuditRecord.at <= before.at, _sql_position(before) > _ROW_POSITION)
    return all_rows(connection, AuditRecord, statement)


def read(connection: Connection, event_id: UUID) -> AuditRecord | None:
    """One event. One statement, by primary key."""
    return one_row(connection, AuditRecord, _matching(Search()).where(AuditRecord.id == event_id))


def read_on(connection: Connection, search: Search, *, limit: int, after: Position | None) -> Sequence[AuditRecord]:
    """The oldest events that match and are newer than `after`, oldest first. One statement."""
    statement = _matching(search).order_by(AuditRecord.at, AuditRecord.id).limit(limit)
    if after is not None:
        statement = statement.where(AuditRecord.at >= after.at, _sql_position(after) < _ROW_POSITION)
    return all_rows(connection, AuditRecord, statement)


_ROW_POSITION = tuple_(AuditRecord.at, AuditRecord.id)


def _sql_position(position: Position) -> Any:
    return tuple_(literal(position.at, BigInteger), literal(position.id, Uuid))


def _matching(search: Search) -> Select[*tuple[Any, ...]]:
    columns = AuditRecord.__table__.columns
    statement = select(*columns)
    for column in ("client_id", "user_id", "session_id", "subject"):
        if (value := getattr(search, column)) is not None:
            statement = statement.where(columns[column] == value)
    for column, end in (("event", "."), ("actor", ":")):
        if (value := getattr(search, column)) is not None:
            part = columns[column].startswith(value + end, autoescape=True)
            statement = statement.where((columns[column] == value) | part)
    if search.since is not None:
        statement = statement.where(AuditRecord.at >= search.since)
    if search.until is not None:
        statement = statement.where(AuditRecord.at < search.until)
    return statement
