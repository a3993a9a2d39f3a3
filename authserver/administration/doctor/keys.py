"""Checks of keys. The server rotates them by itself, so a late key shows that it does not, or cannot."""

from __future__ import annotations

from authserver.administration.doctor.finding import About, Finding, Findings, Severity, authserver
from authserver.administration.doctor.survey import Survey
from authserver.database.tables import present
from authserver.keys.model import KeyRecord, Kind, State

#: Nodes look every few seconds, but a single node may be down for a while.
_GRACE_MS = 3_600_000
_SOON_MS = 24 * 3_600_000


def _finding(check: str, severity: Severity, row: KeyRecord, reason: str, command: str | None) -> Finding:
    return Finding(f"key.{check}", severity, About.KEY, f"{row.kind} key {row.id}", reason, command)


def none_yet(seen: Survey) -> Findings:
    if not seen.keys:
        reason = "there are none yet: the server makes them when it is started for the first time"
        yield Finding("key.none", Severity.NOTE, About.KEY, "keys", reason, "authserver serve")


def age(seen: Survey) -> Findings:
    """A key that is overdue by more than an hour, or due within a day or the last tenth of its life."""
    for row in seen.keys:
        if row.state != State.ACTIVE:
            continue
        left = present(row.activated_at) + seen.key_lifetimes[Kind(row.kind)] * 1000 - seen.now
        rotate = f"authserver keys rotate --kind {row.kind}"
        if left < -_GRACE_MS:
            reason = (
                f"should have been replaced {_hours(-left)} ago: is a server running on this database, and its "
                "clean-up with it?"
            )
            yield _finding("overdue", Severity.WARNING, row, reason, rotate)
        elif 0 <= left < min(_SOON_MS, seen.key_lifetimes[Kind(row.kind)] * 100):
            reason = f"the server replaces it with the next one in {_hours(left)}; every session goes on"
            yield _finding("due", Severity.NOTE, row, reason, rotate)


def successor(seen: Survey) -> Findings:
    with_next = {row.kind for row in seen.keys if row.state == State.NEXT}
    for row in seen.keys:
        if row.state == State.ACTIVE and row.kind not in with_next:
            reason = (
                "has no published next key: were it to leak, APIs would have to learn a key that they have not seen"
            )
            command = f"authserver keys rotate --now --kind {row.kind}"
            yield _finding("no-successor", Severity.WARNING, row, reason, command)


def leaked(seen: Survey) -> Findings:
    for row in seen.keys:
        still_read = (row.kind, row.state) == (Kind.TOKEN, State.RETIRED)  # or every user would be signed out
        if row.leaked and row.state != State.GONE and not still_read:
            reason = "is marked as leaked and yet trusted: a thief who has it makes tokens that are accepted"
            yield _finding("leaked", Severity.ERROR, row, reason, authserver("keys", "leaked", str(row.id), yes=True))


CHECKS = (none_yet, age, successor, leaked)


def _hours(milliseconds: int) -> str:
    hours = milliseconds // 3_600_000
    return "less than an hour" if hours < 1 else f"{hours} h" if hours < 48 else f"{hours // 24} d"
