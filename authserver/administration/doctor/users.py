"""Checks of users: how their passwords are hashed, and whether one can administer."""

from __future__ import annotations

import re

from authserver.administration.authority import opened_by
from authserver.administration.doctor.finding import About, Finding, Findings, Severity, authserver
from authserver.administration.doctor.survey import MOST_HASHES, Survey
from authserver.apis import administration
from authserver.database.tables import present
from authserver.passwords import imported

_ARGON2ID = re.compile(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+")


def weak_hashes(seen: Survey) -> Findings:
    """Compares memory times passes, which is what a guess costs, with any number of parallel lanes."""
    passwords = seen.settings.passwords
    present = passwords.argon2_memory_kib * passwords.argon2_time_cost
    weaker = 0
    for hashes in seen.hashes:
        found = _ARGON2ID.fullmatch(hashes.kind or "")
        if found is not None and int(found[1]) * int(found[2]) < present:
            weaker += hashes.count
    if weaker:
        reason = (
            "their passwords are hashed more cheaply than the settings say now; each is hashed anew at the next "
            "sign-in, so there is nothing to do"
        )
        yield Finding("users.weak-hashes", Severity.NOTE, About.USERS, _counted(weaker), reason)


def imported_hashes(seen: Survey) -> Findings:
    for hashes in seen.hashes:
        if hashes.kind is not None and _ARGON2ID.fullmatch(hashes.kind) is None:
            reason = (
                f"their passwords are still kept as another system hashed them ({hashes.kind}); each is hashed anew at "
                "the next sign-in, so there is nothing to do"
            )
            yield Finding("users.imported-hashes", Severity.NOTE, About.USERS, _counted(hashes.count), reason)


def unreadable_hashes(seen: Survey) -> Findings:
    unreadable = [row for row in seen.some_hashes if not _is_readable(present(row.password_hash))]
    if unreadable:
        example = unreadable[0].username
        reason = f"their stored password hashes cannot be used, so they cannot sign in; one of them is {example}"
        if len(seen.some_hashes) == MOST_HASHES:
            reason += f"; only {MOST_HASHES:,} hashes were looked at"
        command = authserver("users", "set-password", example)
        subject = _counted(len(unreadable))
        yield Finding("users.unreadable-hashes", Severity.WARNING, About.USERS, subject, reason, command)


def _is_readable(encoded: str) -> bool:
    try:
        imported.read(encoded)
    except imported.UnusableHash:
        return False
    return True


def no_password(seen: Survey) -> Findings:
    for hashes in seen.hashes:
        if hashes.kind is None:
            reason = f"without a password, so they cannot sign in; one of them is {hashes.example}"
            command = authserver("users", "set-password", hashes.example)
            yield Finding("users.no-password", Severity.NOTE, About.USERS, _counted(hashes.count), reason, command)


def no_administrator(seen: Survey) -> Findings:
    if seen.settings.pages.admin and not any(opened_by(seen.catalogue, roles) for roles in seen.role_sets):
        reason = (
            "no enabled user has a role that opens administration, so no user can sign in to the console; this command "
            "line works in any case"
        )
        command = authserver("users", "edit", "USER", add_role=administration.ROLE)
        yield Finding("users.no-administrator", Severity.WARNING, About.USERS, administration.ROLE, reason, command)


def _counted(number: int) -> str:
    return "1 user" if number == 1 else f"{number:,} users"


CHECKS = (weak_hashes, imported_hashes, unreadable_hashes, no_password, no_administrator)
