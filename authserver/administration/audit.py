"""Use cases of the audit record: find events, export them, and explain a refusal by its reference."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from authserver.administration.context import Administration
from authserver.administration.errors import Invalid, NotFound
from authserver.clients import store as clients
from authserver.clients.model import ClientRecord
from authserver.database.times import iso
from authserver.keys.vault import Vault
from authserver.records import audit
from authserver.records.audit import AuditRecord, Event, Outcome, Position, Search
from authserver.refusals.references import References, Refusal
from authserver.sessions import listing
from authserver.sessions.model import SessionRecord
from authserver.users import store as users
from authserver.users.subjects import subject_of

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Known:
    """The session, user name and client of a refusal as the database has them now; None for what it does not have."""

    session: SessionRecord | None
    username: str | None
    client: ClientRecord | None

    @property
    def subject(self) -> str | None:
        """The claim `sub` of the session's tokens."""
        return None if self.session is None else subject_of(self.session.subject, self.session.user_id)


def find(admin: Administration, search: Search, *, limit: int, before: Position | None = None) -> Sequence[AuditRecord]:
    """The newest events that match, newest first.

    To page, give the place of the last row (`Position.of`) as `before`. New events do not move the pages.

    Raises:
        Invalid: there is no such event.
    """
    _check(search)
    with admin.database.autocommit() as connection:
        return audit.find(connection, search, limit=limit, before=before)


def find_one(admin: Administration, event_id: UUID) -> AuditRecord:
    """One event.

    Raises:
        NotFound: there is no such event, or it has been pruned.
    """
    with admin.database.autocommit() as connection:
        row = audit.read(connection, event_id)
    if row is None:
        raise NotFound(f"there is no event {event_id}; events are kept for a time (retention.audit)")
    return row


def export(admin: Administration, search: Search, *, after: Position | None = None) -> Iterator[AuditRecord]:
    """All events up to now that match, oldest first, in bounded memory.

    To go on later, give the place of the last row as `after`.

    Each page is a statement of its own, so that a slow reader holds no transaction open.

    Raises:
        Invalid: there is no such event.
    """
    _check(search)
    now = admin.database.now()
    until = now if search.until is None else min(now, search.until)
    return _pages(admin, replace(search, until=until), after)


def _pages(admin: Administration, search: Search, after: Position | None) -> Iterator[AuditRecord]:
    while True:
        with admin.database.autocommit() as connection:
            rows = audit.read_on(connection, search, limit=_PAGE, after=after)
        yield from rows
        if len(rows) < _PAGE:
            return
        after = Position.of(rows[-1])


def as_document(row: AuditRecord) -> dict[str, Any]:
    """An event as programs read it, the same in lists, exports and the API."""
    return {
        "id": str(row.id),
        "at": iso(row.at),
        "event": row.event,
        "outcome": row.outcome or _outcome_of_old(row.event),
        "actor": row.actor,
        "subject": row.subject,
        "client_id": row.client_id,
        "user_id": None if row.user_id is None else str(row.user_id),
        "session_id": None if row.session_id is None else str(row.session_id),
        "address": row.address,
        "user_agent": row.user_agent,
        "reference": row.reference,
        "detail": json.loads(row.detail),
    }


def _outcome_of_old(event: str) -> str:
    """The outcome of an event that is older than this column."""
    refused = event in (Event.SIGN_IN_REFUSED, Event.CLIENT_REFUSED, Event.SESSION_REUSE, Event.SESSION_FROM_THE_FUTURE)
    return (Outcome.REFUSED if refused else Outcome.DONE).value


def _check(search: Search) -> None:
    event = search.event
    if event is None or any(event in (known.value, known.value.split(".")[0]) for known in Event):
        return
    raise Invalid(f"there is no event {event!r}; there are {', '.join(sorted(known.value for known in Event))}")


def explain(vault: Vault, reference: str) -> Refusal:
    """Open a reference. Needs no database.

    Raises:
        Invalid: this server did not make the reference.
    """
    try:
        return References(vault.reference_key()).open(reference)
    except ValueError as problem:
        raise Invalid(f"{problem}; copy all of the member `reference` of the error") from None


def look_up(admin: Administration, refusal: Refusal) -> Known:
    """What the database has about a refusal now."""
    session = None if refusal.session_id is None else listing.find_session(admin.database, refusal.session_id)
    client_id = session.client_id if session is not None else refusal.client_id
    with admin.database.autocommit() as connection:
        client = None if client_id is None else clients.read(connection, client_id)
        names = {} if session is None else users.names_of(connection, {session.user_id})
    return Known(session, next(iter(names.values()), None), client)
