"""Use cases of users: add, list, show, edit, set the password, disable, enable, remove.

An act that takes something from a user changes the row first and the sessions second, in one transaction. Sign-ins
that held the row's lock have inserted their sessions by then, and later sign-ins see the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from authserver.administration import subjects
from authserver.administration.authority import require_roles
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, Invalid, NotFound
from authserver.administration.old_nodes import early_problems, may_run
from authserver.administration.users_consequences import end_everything, end_outgrown_links, rewrite_sessions
from authserver.database.identifiers import new_id
from authserver.passwords import rules as new_password
from authserver.records.audit import Event
from authserver.refusals.problems import Problem
from authserver.sessions.model import End
from authserver.users import store
from authserver.users.model import UserRecord, name_of
from authserver.users.names import check_email, check_role, check_roles, check_username, fold, trimmed
from authserver.users.store import Filter
from authserver.users.subjects import as_id, check_subject


@dataclass(frozen=True, slots=True)
class Profile:
    """What an administrator decides about a user, without the password. The subject is never changed.

    Name and address lose the blanks around them.
    """

    username: str | None
    email: str | None
    roles: frozenset[str]
    subject: str | None = None

    def __post_init__(self) -> None:
        for name in ("username", "email"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, trimmed(given))

    @classmethod
    def of(cls, row: UserRecord) -> Self:
        """The profile that a user has."""
        return cls(name_of(row), row.email, row.roles, row.subject)

    def columns(self) -> dict[str, Any]:
        """The columns of the user's row, with the folded name and address, which are unique."""
        return {
            "username": self.username or self.email,
            "username_key": self.username and fold(self.username),
            "email": self.email,
            "email_key": self.email and fold(self.email),
            "roles": self.roles,
            "subject": self.subject,
        }


def find(admin: Administration, login: str) -> UserRecord:
    """A user by name, e-mail address or id."""
    with admin.reading() as connection:
        return _find(connection, login)


def find_all(
    admin: Administration, which: Filter = Filter(), *, after: str | None = None, limit: int | None = None
) -> Sequence[UserRecord]:
    """The users by name or address, without removed ones. `after` is the `list_key` of the previous page's last user."""
    with admin.reading() as connection:
        return store.read_all(connection, which, after=after, limit=limit)


def hash_new(admin: Administration, profile: Profile, password: str | None) -> str | None:
    """Hash the password of a new user, before a transaction is opened. Returns None for a user without a password.

    Raises:
        Invalid, Conflict, Forbidden: as `add`. A refused user costs no hash.
    """
    _check_new(admin, profile)
    if password is not None:
        check_new_password(admin, password, profile)
    with admin.database.autocommit() as connection:
        require_roles(admin, connection, profile.roles, "giving these roles")
        _refuse_taken(connection, profile)
    return None if password is None else admin.hash_password(password)


def add(admin: Administration, profile: Profile, password: str | None) -> UserRecord:
    """Add a user. A user without a password cannot sign in until a link has set one.

    Raises:
        Invalid: name, address, role, subject or password break rules.
        Conflict: name, address or subject is taken, or a node of the version before may run.
    """
    return add_hashed(admin, profile, hash_new(admin, profile, password))


def add_hashed(admin: Administration, profile: Profile, password_hash: str | None) -> UserRecord:
    """Add a user with the result of `hash_new`.

    Raises:
        Invalid, Conflict: as `add`.
    """
    _check_new(admin, profile)
    user_id = new_id()
    try:
        with admin.transaction() as connection:
            require_roles(admin, connection, profile.roles, "giving these roles")
            _refuse_taken(connection, profile)
            store.add(connection, {"id": user_id, "password_hash": password_hash, **profile.columns()})
            detail = {**recorded(profile), "roles": sorted(profile.roles)}
            admin.record(connection, Event.USER_ADDED, user_id=user_id, detail=detail)
    except IntegrityError:
        raise Conflict("the user name, e-mail address or subject was taken a moment ago") from None
    return find(admin, str(user_id))


def edit(admin: Administration, login: str, change: Callable[[Profile], Profile]) -> UserRecord:
    """Change name, address or roles. One of name and address has to stay.

    Sessions get the new roles at once, and lose the scopes that these do not open.
    If the new roles open more scopes of administration, the user's password link ends.

    Raises:
        NotFound, Invalid, Conflict.
    """
    try:
        with admin.transaction() as connection:
            row = lock(admin, connection, login)
            before = Profile.of(row)
            after = change(before)
            check_profile(after, before.roles)
            if before.username is not None:
                _refuse_early(admin, after.username, None)
            if after.subject != before.subject:
                raise Invalid("cannot be changed: APIs know the user by it", field="subject")
            require_roles(admin, connection, after.roles - before.roles, "giving these roles")
            _refuse_taken(connection, after, row.id)
            if changed := sorted(name for name, value in asdict(after).items() if value != getattr(before, name)):
                store.change(connection, row.id, after.columns())
                rewrite_sessions(connection, row.id, after.roles)
                end_outgrown_links(connection, row.id, before.roles, after.roles)
                detail = {"changed": changed, "roles": sorted(after.roles)}
                admin.record(connection, Event.USER_CHANGED, user_id=row.id, detail=detail)
    except IntegrityError:
        raise Conflict("the user name or e-mail address was taken a moment ago") from None
    return find(admin, str(row.id))


def set_password(admin: Administration, login: str, password: str) -> int:
    """Set a password and end all of the user's sessions. Returns how many.

    Raises:
        NotFound, Invalid.
    """
    row = find(admin, login)
    check_new_password(admin, password, Profile.of(row))
    password_hash = admin.hash_password(password)
    with admin.transaction() as connection:
        lock(admin, connection, str(row.id))
        store.set_password(connection, row.id, password_hash)
        ended = end_everything(connection, admin, row.id, End.PASSWORD_RESET)
        admin.record(connection, Event.USER_PASSWORD_SET, user_id=row.id)
    return ended


def disable(admin: Administration, login: str) -> int:
    """Disable a user and end all sessions. Returns how many."""
    with admin.transaction() as connection:
        row = lock(admin, connection, login)
        if not row.enabled:
            raise Conflict(f"the user {row.username} is disabled already")
        store.change(connection, row.id, {"enabled": False})
        ended = end_everything(connection, admin, row.id, End.USER_DISABLED)
        admin.record(connection, Event.USER_DISABLED, user_id=row.id)
    return ended


def enable(admin: Administration, login: str) -> None:
    """Enable a user again. Restores no session, no visit and no link."""
    with admin.transaction() as connection:
        row = lock(admin, connection, login)
        if row.enabled:
            raise Conflict(f"the user {row.username} is enabled already")
        store.change(connection, row.id, {"enabled": True})
        admin.record(connection, Event.USER_ENABLED, user_id=row.id)


def remove(admin: Administration, login: str) -> int:
    """Remove a user: erases password and address, frees the name, ends all sessions. Returns how many."""
    with admin.transaction() as connection:
        row = lock(admin, connection, login)
        store.remove(connection, row.id)
        ended = end_everything(connection, admin, row.id, End.USER_REMOVED)
        admin.record(connection, Event.USER_REMOVED, user_id=row.id, detail=recorded(Profile.of(row)))
    return ended


def check_new_password(admin: Administration, password: str, profile: Profile) -> None:
    """Raises `Invalid` with a text that never contains the password."""
    try:
        new_password.check_new_password(admin.settings, password, username=profile.username, email=profile.email)
    except ValueError as problem:
        raise Invalid(str(problem), field="password") from None


def check_profile(profile: Profile, had: frozenset[str] = frozenset()) -> None:
    """Raises `Invalid` with all problems at once."""
    if problems := list(profile_problems(profile, had)):
        raise Invalid(*problems)


def profile_problems(profile: Profile, had: frozenset[str] = frozenset()) -> Iterator[Problem]:
    """Every rule that a profile breaks. Roles that a user `had` may stay, also if they are too many."""
    checks: list[tuple[str, Callable[[str], str], str | None]] = [
        ("username", check_username, profile.username), ("email", check_email, profile.email),
        ("subject", check_subject, profile.subject), *(("roles", check_role, role) for role in sorted(profile.roles)),
    ]  # fmt: skip
    for field, check, value in checks:
        try:
            if value is not None:
                check(value)
        except ValueError as problem:
            yield Problem(str(problem), field)
    try:
        if profile.roles - had:
            check_roles(profile.roles)
    except ValueError as problem:
        yield Problem(str(problem), "roles")
    if profile.username is None and profile.email is None:
        yield Problem("a user has a user name, an e-mail address or both", "username")
    # Commands take a name or an id: one user's name could be another's id.
    if profile.username is not None and as_id(profile.username) is not None:
        yield Problem("a user name has not the form of an id", "username")


def recorded(profile: Profile) -> dict[str, str]:
    """What events say of a user who is added or removed. Addresses are not recorded: a removal could not erase them."""
    said = {"username": profile.username, "subject": profile.subject}
    return {name: value for name, value in said.items() if value is not None}


def _check_new(admin: Administration, profile: Profile) -> None:
    check_profile(profile)
    _refuse_early(admin, profile.username, profile.subject)


def _refuse_early(admin: Administration, username: str | None, subject: str | None) -> None:
    problems = list(early_problems(username=username, subject=subject))
    if problems and may_run(admin):
        raise Conflict(*problems)


def lock(admin: Administration, connection: Connection, login: str) -> UserRecord:
    """Lock a user's row, then read it. Waits for the sign-ins that hold the row, and keeps later ones out.

    Raises:
        NotFound, or Forbidden for an administrator who may do more than the actor.
    """
    user_id = _find(connection, login).id
    if not store.lock(connection, user_id):
        raise _unknown(login)
    row = _find(connection, str(user_id))
    require_roles(admin, connection, row.roles, "changing this administrator")
    admin.check_unchanged(row)
    return row


def _find(connection: Connection, login: str) -> UserRecord:
    row = store.read(connection, login)
    if row is None:
        raise _unknown(login)
    return row


def _refuse_taken(connection: Connection, profile: Profile, own_id: UUID | None = None) -> None:
    for field, what, name in (("username", "user name", profile.username), ("email", "e-mail address", profile.email)):
        row = None if name is None else store.read(connection, name)
        if row is not None and row.id != own_id:
            raise Conflict(f"the {what} {name} is taken", field=field, see=f"users show {row.id}")
    if own_id is None and profile.subject is not None:
        subjects.refuse_taken(connection, profile.subject)


def _unknown(login: str) -> NotFound:
    return NotFound(f"there is no user {login!r}", see="users list")
