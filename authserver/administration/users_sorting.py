"""Which lines of an import are new users, which are there already, and which cannot be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from authserver.administration.authority import require_roles
from authserver.administration.context import Administration
from authserver.administration.errors import Forbidden, Invalid
from authserver.administration.old_nodes import early_problems, may_run
from authserver.administration.users import Profile, check_new_password, profile_problems
from authserver.administration.users_lines import Given, Problem, problems_of
from authserver.passwords import imported
from authserver.users import store
from authserver.users.model import UserRecord
from authserver.users.names import fold
from authserver.users.subjects import Holder, subject_of
from authserver.users.subjects.store import holders


@dataclass(slots=True)
class Batch:
    """The result of the lines of one batch."""

    new: list[Given] = field(default_factory=list)
    present: int = 0
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, given: Given, where: str, text: str) -> None:
        self.problems.append(Problem(given.line, where, text))


class _Keys(NamedTuple):
    """The folded name and address of a line, of which it has at least one."""

    name: str | None
    email: str | None


def sort_lines(lines: Sequence[Given | Problem], admin: Administration, seen: dict[int, int]) -> Batch:
    """Check the lines against the rules, the database and earlier lines, whose hashes `seen` collects. Changes nothing."""
    batch, usable, old_nodes = Batch(), [], may_run(admin)
    for line in lines:
        if isinstance(line, Problem):
            batch.problems.append(line)
        elif problems := list(_check(admin, line, old_nodes=old_nodes)):
            batch.problems += problems
        else:
            usable.append(line)
    keys = {
        given.line: _Keys(given.username and fold(given.username), given.email and fold(given.email))
        for given in usable
    }
    with admin.database.autocommit() as connection:
        rows = store.read_by_keys(
            connection,
            [key.name for key in keys.values() if key.name],
            [key.email for key in keys.values() if key.email],
        )
        held = holders(connection, [given.subject for given in usable if given.subject is not None])
    owners = {key: row for row in rows for key in (row.username_key, row.email_key) if key}
    for given in usable:
        _classify(batch, given, keys[given.line], owners, held, seen)
    _refuse_beyond_authority(admin, batch)
    return batch


def _classify(
    batch: Batch,
    given: Given,
    keys: _Keys,
    owners: Mapping[str, UserRecord],
    held: Mapping[str, Holder],
    seen: dict[int, int],
) -> None:
    """Decide whether a line is new, present or refused."""
    # Names and addresses share `owners` and `seen`: no name has an @, and every address has one.
    where = "username" if keys.name else "email"
    named, addressed = owners.get(keys.name or keys.email or ""), owners.get(keys.email or "")
    own = {hash(key): field for key, field in ((keys.name, "username"), (keys.email, "email")) if key}
    if given.subject is not None:
        own[hash(("subject", given.subject))] = "subject"
    mark = hash((to_add(given), given.enabled))
    if named is not None and _is_same(named, given):
        batch.present += 1
    elif named is not None:
        batch.refuse(given, where, "is taken by a user with another name, address, subject, roles or state")
    elif addressed is not None:
        batch.refuse(given, "email", "is the address of another user")
    elif all(seen.get(key) == mark for key in own):
        batch.present += 1
    elif (taken := next((key for key in own if key in seen), None)) is not None:
        batch.refuse(given, own[taken], "is taken by an earlier line of this file")
    elif (holder := held.get(given.subject or "")) is not None:
        batch.refuse(given, "subject", holder)
    else:
        seen.update(dict.fromkeys(own, mark))
        batch.new.append(given)


def to_add(given: Given) -> Profile:
    """The user that a line asks for, without password and state."""
    return Profile(given.username, given.email, given.roles, given.subject)


def _is_same(row: UserRecord, given: Given) -> bool:
    """Whether a line says of a user what is so already."""
    there, asked = (replace(one, subject=subject_of(one.subject, row.id)) for one in (Profile.of(row), to_add(given)))
    return there == asked and row.enabled == given.enabled


def _check(admin: Administration, given: Given, *, old_nodes: bool) -> Iterator[Problem]:
    yield from problems_of(given.line, profile_problems(to_add(given)))
    if old_nodes:
        yield from problems_of(given.line, early_problems(username=given.username, subject=given.subject))
    if given.password_hash is not None:
        try:
            imported.read(given.password_hash, imported.AT_IMPORT)
        except ValueError as error:
            yield Problem(given.line, "password_hash", str(error))
    if given.password is not None:
        try:
            check_new_password(admin, given.password, to_add(given))
        except Invalid as refusal:
            yield from problems_of(given.line, refusal.problems)


def _refuse_beyond_authority(admin: Administration, batch: Batch) -> None:
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
