"""Writes marks into sessions, in small batches: the end of a client's epoch, and the narrowing of an API's scopes.

Each node obeys the marks as soon as its cache has them. The sweep writes them into the rows, so that enabling a client
again, or giving a scope back, restores nothing. It can be stopped anywhere, and several nodes can run it at once.
Sessions are walked by primary key, so each batch goes on where the last one ended.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import select, update

from authserver.apis import store as apis
from authserver.apis.model import Catalogue
from authserver.clients import store as clients
from authserver.database.engine import Database
from authserver.database.sql import in_batch
from authserver.database.tables import all_rows
from authserver.records import audit
from authserver.records.audit import Event
from authserver.sessions import store
from authserver.sessions.model import End, SessionRecord

_S = SessionRecord

#: A node may open sessions with a scope that was taken away, until its cache (at most 5 s old) knows.
SETTLE_SECONDS = 6.0


def sweep(
    database: Database,
    *,
    batch: int,
    settle: float = SETTLE_SECONDS,
    claim: Callable[[], bool] = lambda: True,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Write every mark that has not reached all sessions yet. Returns how many sessions were changed.

    The narrowing of an API waits until its mark is `settle` seconds old. A node with an old cache could otherwise open
    a session after the sweep, and that session would get the scope back if it is ever registered again.
    `claim` is asked if there is a mark: False leaves the work to another worker. `on_progress` gets the number of
    sessions changed so far, after each batch.
    """
    with database.autocommit() as connection:
        ended = clients.unswept(connection)
        narrowed = apis.unswept(connection, settled_ms=round(settle * 1000))
    if not (ended or narrowed) or not claim():
        return 0
    report = on_progress or (lambda _changed: None)
    changed = 0
    for client_id, epoch in ended:
        changed = _end_epochs(database, client_id, epoch, batch, changed, report)
    for audience, mark in narrowed:
        changed = _narrow_scopes(database, audience, mark, batch, changed, report)
    return changed


def _end_epochs(
    database: Database, client_id: str, epoch: int, batch: int, before: int, report: Callable[[int], None]
) -> int:
    total = 0
    left = (_S.client_id == client_id) & (_S.client_epoch < epoch) & _S.revoked_at.is_(None)
    # The first pass shares the work with other nodes. The second waits for the few rows that were locked meanwhile.
    for skip_locked in (True, False):
        last: UUID | None = UUID(int=0)
        while last is not None:
            some = select(_S.id).where(left, _S.id > last).order_by(_S.id).limit(batch)
            locked = some.with_for_update(skip_locked=skip_locked)
            ending = store.end_where(in_batch(_S.id, locked), End.CLIENT_ENDED).returning(_S.id)
            with database.autocommit() as connection:
                ids = connection.execute(ending).scalars().all()
            last = max(ids, default=None)
            total += len(ids)
            report(before + total)
    with database.transaction() as connection:
        clients.mark_swept(connection, client_id, epoch)
        if total:
            detail = {"sessions": total, "because": End.CLIENT_ENDED.value}
            audit.record(connection, audit.Entry(Event.SESSIONS_SWEPT, "server", client_id=client_id, detail=detail))
    return before + total


def _narrow_scopes(
    database: Database, audience: str, mark: int, batch: int, before: int, report: Callable[[int], None]
) -> int:
    """Take scopes that no longer exist, or that the session's roles no longer open, out of the sessions of an API."""
    total, last = 0, UUID(int=0)
    rows = select(_S.id, _S.scopes, _S.roles, _S.audiences).where(_S.revoked_at.is_(None)).order_by(_S.id)
    while True:
        # Most sessions lose nothing, so read them without a lock: a lock would be a write for each.
        with database.autocommit() as connection:
            catalogue = apis.read(connection)
            page = all_rows(connection, _S, rows.where(_S.id > last).limit(batch))
        losing = [row.id for row in page if _has_lost(row, audience, catalogue)]
        if losing:
            with database.transaction() as connection:
                catalogue = apis.read(connection)
                for row in all_rows(connection, _S, rows.where(_S.id.in_(losing)).with_for_update()):
                    if _has_lost(row, audience, catalogue):
                        scopes = catalogue.open_to(row.scopes, row.roles)
                        connection.execute(update(_S).where(_S.id == row.id).values(scopes=scopes))
                        total += 1
        report(before + total)
        if not page:
            break
        last = page[-1].id
    with database.transaction() as connection:
        apis.mark_swept(connection, audience, mark)
        entry = audit.Entry(Event.SESSIONS_SWEPT, "server", subject=audience, detail={"sessions": total})
        audit.record(connection, entry)
    return before + total


def _has_lost(row: SessionRecord, audience: str, catalogue: Catalogue) -> bool:
    """Whether a session of an API has scopes that no longer exist or that its roles no longer open."""
    return audience in row.audiences and catalogue.open_to(row.scopes, row.roles) != row.scopes
