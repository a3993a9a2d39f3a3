"""Use cases of a recovery: declare it, end it, see it, and end the sessions that it did not reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, Invalid
from authserver.administration.sweeping import Progress
from authserver.database import status_indices
from authserver.database.status_indices import MARGIN
from authserver.database.tables import present
from authserver.database.times import iso
from authserver.records.audit import Event
from authserver.sessions import recovery
from authserver.sessions.model import End, RecoveryRecord
from authserver.sessions.recovery import Adoptions

#: The longest recovery, in seconds. While one is on, a stolen token that was superseded after the backup may be adopted.
LONGEST: Final = 7 * 86_400

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Status:
    """The recovery that was declared last. Times are in milliseconds since the epoch."""

    started_at: int
    until: int
    is_on: bool
    adopted: Adoptions


def start(admin: Administration, seconds: int) -> RecoveryRecord:
    """Declare a recovery for so many seconds from now. One that is on goes on for so long.

    Leaves out a million status indices: nodes may have given them to sessions whose rows are lost.

    Raises:
        Invalid: it is too long.
    """
    if not 0 < seconds <= LONGEST:
        raise Invalid(f"a recovery lasts at least 1 second and at most {LONGEST // 86_400} days", field="for")
    admin.check_unchanged(None)
    with admin.transaction() as connection:
        declared = present(recovery.declare(connection, seconds))
        status_indices.lease(connection, 0, skipped=MARGIN)
        admin.record(connection, Event.RECOVERY_STARTED, subject="all", detail={"until": iso(declared.until)})
    return declared


def stop(admin: Administration) -> None:
    """End the recovery that is on.

    Raises:
        Conflict: none is on.
    """
    admin.check_unchanged(None)
    with admin.transaction() as connection:
        if not recovery.end(connection):
            raise Conflict("no recovery is on", see="recover status")
        admin.record(connection, Event.RECOVERY_ENDED, subject="all")


def status(admin: Administration) -> Status | None:
    """The recovery that was declared last; None if there never was one."""
    with admin.reading() as connection:
        row = recovery.latest(connection)
        if row is None:
            return None
        return Status(row.started_at, row.until, row.until > row.now, recovery.adoptions(connection, row.started_at))


def end_unseen(admin: Administration, on_progress: Progress | None = None) -> int:
    """End the sessions that were not refreshed since the last recovery was declared. Returns how many.

    Their clients may hold newer tokens, which are put off when no recovery is on, or they may have been ended in rows
    that were lost. Commits in batches, and can be run again after a stop half way.

    Raises:
        Conflict: no recovery was ever declared.
    """
    last = status(admin)
    if last is None:
        raise Conflict("no recovery was ever declared", see="recover start --help")
    admin.check_unchanged(last)
    report = on_progress or (lambda _ended: None)
    ended = recovery.end_unseen(admin.database, last.started_at, batch=_BATCH, on_progress=report)
    if ended:
        with admin.transaction() as connection:
            detail = {"sessions": ended, "because": End.UNSEEN.value}
            admin.record(connection, Event.SESSIONS_SWEPT, subject="all", detail=detail)
    return ended
