"""Use cases of many users at once: import them from a file, and export them in the same form.

Each batch is a transaction of its own, which bounds the memory and the time that other writers wait. An import that was
stopped goes on when it is run again: it skips users who are there already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from authserver.administration import users_lines
from authserver.administration.authority import require_roles
from authserver.administration.context import Administration
from authserver.administration.csv_records import Source
from authserver.administration.errors import Forbidden, Invalid
from authserver.administration.users import Profile, check_new_password, profile_problems
from authserver.administration.users_lines import Format, Given, Problem, Unreadable, problems_of
from authserver.database.identifiers import new_id
from authserver.passwords import imported
from authserver.records import audit
from authserver.records.audit import Event
from authserver.users import store
from authserver.users.model import UserRecord
from authserver.users.names import fold

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


@dataclass(slots=True)
class _Batch:
    """The result of the lines of one batch."""

    new: list[Given] = field(default_factory=list)
    present: int = 0
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, given: Given, where: str, text: str) -> None:
        self.problems.append(Problem(given.line, where, text))


def import_users(
    admin: Administration, source: Source, form: Format, *, dry_run: bool = False, batch: int = 500
) -> Iterator[Step]:
    """Add the users of a file, and report each line that cannot be used. Commits each batch and yields after it.

    A user who is there already is not changed, least of all the password. A line with the same name, address, roles and
    state is skipped; with other values it is a problem. A dry run changes nothing.

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
        sorted_lines = _sort_lines(admin, some, seen)
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


def export_users(admin: Administration, form: Format, *, with_password_hashes: bool = False) -> Iterator[str]:
    """All users as lines, by name, in the form that an import reads. Recorded before the first line leaves.

    Raises:
        Forbidden: only the command line exports password hashes. They let their reader guess passwords offline, those
            of administrators too.
    """
    if with_password_hashes and admin.authority is not None:
        raise Forbidden("password hashes are exported by the command line only: authserver users export")
    detail = {"with_password_hashes": with_password_hashes}
    with admin.transaction() as connection:
        admin.record(connection, Event.USERS_EXPORTED, subject="all", detail=detail)
    return _export(admin, form, with_password_hashes=with_password_hashes)


def _export(admin: Administration, form: Format, *, with_password_hashes: bool) -> Iterator[str]:
    if begin := users_lines.first_line(form, with_password_hash=with_password_hashes):
        yield begin
    last = None
    while True:
        with admin.database.autocommit() as connection:
            rows = store.read_all(connection, after=last, limit=_EXPORT_PAGE)
        for row in rows:
            yield users_lines.line_of(form, row, with_password_hash=with_password_hashes)
        if len(rows) < _EXPORT_PAGE:
            return
        last = rows[-1].username_key


def _sort_lines(admin: Administration, lines: Sequence[Given | Problem], seen: dict[int, int]) -> _Batch:
    batch = _Batch()
    usable = []
    for line in lines:
        if isinstance(line, Problem):
            batch.problems.append(line)
        elif problems := list(_check(admin, line)):
            batch.problems += problems
        else:
            usable.append(line)
    keys = {given.line: (fold(given.username), given.email and fold(given.email)) for given in usable}
    with admin.database.autocommit() as connection:
        rows = store.read_by_keys(
            connection, [name for name, _ in keys.values()], [email for _, email in keys.values() if email]
        )
    owners = {key: row for row in rows for key in (row.username_key, row.email_key) if key}
    for given in usable:
        _classify(batch, given, keys[given.line], owners, seen)
    _refuse_beyond_authority(admin, batch)
    return batch


def _classify(
    batch: _Batch, given: Given, keys: tuple[str, str | None], owners: dict[str, UserRecord], seen: dict[int, int]
) -> None:
    """Decide whether a line is new, present or refused."""
    # Names and addresses share `owners` and `seen`: no name has an @, and every address has one.
    name, email = keys
    named, addressed = owners.get(name), owners.get(email or "")
    own, mark = [hash(key) for key in (name, email) if key], hash(_profile(given))
    if named is not None and _profile(named) == _profile(given):
        batch.present += 1
    elif named is not None:
        batch.refuse(given, "username", "is taken by a user with another name, address, roles or state")
    elif addressed is not None:
        batch.refuse(given, "email", "is the address of another user")
    elif all(seen.get(key) == mark for key in own):
        batch.present += 1
    elif (taken := next((key for key in own if key in seen), None)) is not None:
        where = "username" if taken == own[0] else "email"
        batch.refuse(given, where, "is taken by an earlier line of this file")
    else:
        seen.update(dict.fromkeys(own, mark))
        batch.new.append(given)


def _profile(user: UserRecord | Given) -> tuple[object, ...]:
    return user.username, user.email, user.roles, user.enabled


def _check(admin: Administration, given: Given) -> Iterator[Problem]:
    yield from problems_of(given.line, profile_problems(Profile(given.username, given.email, given.roles)))
    if given.password_hash is not None:
        try:
            imported.read(given.password_hash, imported.AT_IMPORT)
        except ValueError as error:
            yield Problem(given.line, "password_hash", str(error))
    if given.password is not None:
        try:
            check_new_password(admin, given.password)
        except Invalid as refusal:
            yield from problems_of(given.line, refusal.problems)


def _refuse_beyond_authority(admin: Administration, batch: _Batch) -> None:
    if admin.authority is None:
        return
    with admin.database.autocommit() as connection:
        for roles in {given.roles for given in batch.new}:
            try:
                require_roles(admin, connection, roles, "giving these roles")
            except Forbidden as problem:
                refused = [given for given in batch.new if given.roles == roles]
                batch.new = [given for given in batch.new if given.roles != roles]
                for given in refused:
                    batch.refuse(given, "roles", str(problem))


def _add(admin: Administration, batch: _Batch, import_id: UUID) -> None:
    """Add the whole batch at once. If another writer was faster with one of its users, add them one by one."""
    rows = [(given, _row(admin, given)) for given in batch.new]
    try:
        _insert(admin, rows, import_id)
    except (IntegrityError, Forbidden):
        batch.new = []
        for given, row in rows:
            try:
                _insert(admin, [(given, row)], import_id)
            except IntegrityError:
                batch.refuse(given, "username", "or the e-mail address was taken a moment ago")
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
    columns = Profile(given.username, given.email, given.roles).columns()
    return {"id": new_id(), "password_hash": password_hash, "enabled": given.enabled, **columns}


def _insert(admin: Administration, rows: Sequence[tuple[Given, dict[str, Any]]], import_id: UUID) -> None:
    if not rows:
        return
    entries = []
    for given, row in rows:
        kind = "plain" if given.password is not None else "hash" if given.password_hash is not None else "none"
        detail = {"username": given.username, "roles": sorted(given.roles), "password": kind}
        entries.append(admin.entry(Event.USER_IMPORTED, subject=str(import_id), user_id=row["id"], detail=detail))
    with admin.transaction() as connection:
        for roles in {given.roles for given, _ in rows}:
            require_roles(admin, connection, roles, "giving these roles")
        store.add_all(connection, [row for _, row in rows])
        audit.record(connection, *entries)
