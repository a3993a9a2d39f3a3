"""Use cases of many users at once: import them from a file, and export them in the same form.

Each batch is a transaction of its own, which bounds the memory and the time that other writers wait. An import that was
stopped goes on when it is run again: it skips users who are there already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from authserver.administration import subjects, users_lines
from authserver.administration.authority import require_roles
from authserver.administration.context import Administration
from authserver.administration.csv_records import Source
from authserver.administration.errors import Conflict, Forbidden
from authserver.administration.users import recorded
from authserver.administration.users_lines import Format, Given, Problem, Unreadable
from authserver.administration.users_sorting import Batch, sort_lines, to_add
from authserver.database.identifiers import new_id
from authserver.passwords import imported
from authserver.records import audit
from authserver.records.audit import Event
from authserver.users import store
from authserver.users.model import UserRecord, list_key

_EXPORT_PAGE = 500


@dataclass(frozen=True, slots=True)
class Tally:
    """How far an import has come, in lines. `present` lines have a user who was there with the same values.

    `without_password` users were added and cannot sign in yet. `plain_passwords` had to be hashed, which takes long.
    `stopped_at` is the first line of a CSV record so broken that nothing after it was read.
    """

    lines: int = 0
    added: int = 0
    present: int = 0
    refused: int = 0
    without_password: int = 0
    plain_passwords: int = 0
    stopped_at: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The state after a batch, and the problems of its lines."""

    tally: Tally
    problems: Sequence[Problem]


def import_users(
    admin: Administration, source: Source, form: Format, *, dry_run: bool = False, batch: int = 500
) -> Iterator[Step]:
    """Add the users of a file, and report each line that cannot be used. Commits each batch and yields after it.

    A user who is there already is not changed, least of all the password. A line with the same name, address, subject,
    roles and state is skipped; with other values it is a problem. A dry run changes nothing.

    Raises:
        Invalid: the first line of a CSV file does not name columns that are known.
        HashingOverloaded: in a server, plain passwords while too many are hashed. Run it again: it goes on.
    """
    if admin.in_transaction:
        raise AssertionError("an import commits its batches, so it cannot be part of a transaction")
    return _import(admin, users_lines.read(source, form), new_id(), dry_run=dry_run, batch=batch)


def _import(
    admin: Administration, lines: Iterator[Given | Problem], import_id: UUID, *, dry_run: bool, batch: int
) -> Iterator[Step]:
    tally = Tally()
    # Hashes of earlier lines: a dry run adds nothing that could be found in the database.
    seen: dict[int, int] = {}
    while some := list(islice(lines, batch)):
        if not dry_run:
            seen.clear()
        sorted_lines = sort_lines(some, admin, seen)
        if not dry_run:
            _add(admin, sorted_lines, import_id)
        new = sorted_lines.new
        tally = Tally(
            tally.lines + len(some),
            tally.added + len(new),
            tally.present + sorted_lines.present,
            tally.refused + len({problem.line for problem in sorted_lines.problems}),
            tally.without_password + sum(given.password is given.password_hash is None for given in new),
            tally.plain_passwords + sum(given.password is not None for given in new),
            some[-1].line if isinstance(some[-1], Unreadable) else None,
        )
        yield Step(tally, sorted(sorted_lines.problems, key=lambda problem: problem.line))
    if not dry_run:
        detail = {"added": tally.added, "present": tally.present, "refused": tally.refused}
        with admin.transaction() as connection:
            admin.record(connection, Event.USERS_IMPORTED, subject=str(import_id), detail=detail)
    yield Step(tally, [])


def export_users(
    admin: Administration, form: Format, *, with_password_hashes: bool = False, with_ids: bool = False
) -> Iterator[str]:
    """All users as lines, by name, in the form that an import reads. Recorded before the first line leaves.

    `with_ids` makes the ids of users without a subject their subjects, so that another server puts the same `sub` into
    tokens.

    Raises:
        Forbidden: only the command line exports password hashes. They let their reader guess passwords offline, those
            of administrators too.
    """
    if with_password_hashes and admin.authority is not None:
        raise Forbidden("password hashes are exported by the command line only: authserver users export")
    detail = {"with_password_hashes": with_password_hashes}
    with admin.transaction() as connection:
        admin.record(connection, Event.USERS_EXPORTED, subject="all", detail=detail)
    first = users_lines.first_line(form, with_password_hash=with_password_hashes)
    line_of = partial(users_lines.line_of, form, with_password_hash=with_password_hashes, with_id=with_ids)
    return _export(admin, first, line_of)


def _export(admin: Administration, first: str, line_of: Callable[[UserRecord], str]) -> Iterator[str]:
    if first:
        yield first
    last = None
    while True:
        with admin.database.autocommit() as connection:
            rows = store.read_all(connection, after=last, limit=_EXPORT_PAGE)
        for row in rows:
            yield line_of(row)
        if len(rows) < _EXPORT_PAGE:
            return
        last = list_key(rows[-1])


def _add(admin: Administration, batch: Batch, import_id: UUID) -> None:
    """Add the whole batch at once. If another writer was faster with one of its users, add them one by one."""
    rows = [(given, _row(admin, given)) for given in batch.new]
    try:
        _insert(admin, rows, import_id)
    except (IntegrityError, Conflict, Forbidden):
        batch.new = []
        for given, row in rows:
            try:
                _insert(admin, [(given, row)], import_id)
            except IntegrityError:
                batch.refuse(
                    given, "username" if given.username else "email", "or another of its names was taken a moment ago"
                )
            except Conflict as problem:
                batch.refuse(given, "subject", str(problem))
            except Forbidden as problem:
                batch.refuse(given, "roles", str(problem))
            else:
                batch.new.append(given)


def _row(admin: Administration, given: Given) -> dict[str, Any]:
    password_hash = None
    if given.password is not None:
        password_hash = admin.hash_password(given.password)
    elif given.password_hash is not None:
        password_hash = imported.to_store(given.password_hash, admin.hash_password)
    return {"id": new_id(), "password_hash": password_hash, "enabled": given.enabled, **to_add(given).columns()}


def _insert(admin: Administration, rows: Sequence[tuple[Given, dict[str, Any]]], import_id: UUID) -> None:
    if not rows:
        return
    entries = []
    for given, row in rows:
        kind = "plain" if given.password is not None else "hash" if given.password_hash is not None else "none"
        detail = {**recorded(to_add(given)), "roles": sorted(given.roles), "password": kind}
        entries.append(admin.entry(Event.USER_IMPORTED, subject=str(import_id), user_id=row["id"], detail=detail))
    with admin.transaction() as connection:
        subjects.refuse_client_ids(connection, [given.subject for given, _ in rows if given.subject is not None])
        for roles in {given.roles for given, _ in rows}:
            require_roles(admin, connection, roles, "giving these roles")
        store.add_all(connection, [row for _, row in rows])
        audit.record(connection, *entries)
