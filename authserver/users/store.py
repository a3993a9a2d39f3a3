"""The statements of users. The caller commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Text, and_, case, cast, false, func, insert, literal, select, update

from authserver.clients.model import ClientRecord
from authserver.database.sql import now_ms, position
from authserver.database.tables import all_rows, one_row
from authserver.users.model import Candidate, HashCount, KnownPlaceRecord, LockedUser, SignInCodeRecord, UserRecord
from authserver.users.names import fold, login_key
from authserver.users.sign_in_codes import store as codes
from authserver.users.subjects import as_id

_COLUMNS = UserRecord.__table__.columns
_PRESENT = UserRecord.removed_at.is_(None)
_list_key = func.coalesce(UserRecord.username_key, UserRecord.email_key)
_ARGON2ID = "$argon2id$v=19$"
_ONE_ROW = select(literal(1).label("one")).subquery("one_row")
_NO_USER = UUID(int=0)
_VERIFIER = (
    func.coalesce(UserRecord.id, literal(_NO_USER, UserRecord.id.type)),
    UserRecord.password_hash,
    func.coalesce(UserRecord.password_version, 0),
    func.coalesce(UserRecord.enabled, false()),
    now_ms(),
)


def find_for_sign_in(
    connection: Connection, login: str, *, place: bytes | None = None, code: bytes | None = None
) -> Candidate | None:
    """Read what a sign-in needs to know. One statement, by unique index.

    `place` is looked for among the user's known places, and `code` is compared with the user's sign-in code. For an unknown
    login the same indexes are searched and such a row is read too: the time must not tell which logins are known.
    """
    known = KnownPlaceRecord
    is_known = known.user_id == _VERIFIER[0]
    is_known &= false() if place is None else known.place == place
    is_known &= func.coalesce(known.password_version, UserRecord.password_version) == UserRecord.password_version
    is_user = and_(_has_login(login), _PRESENT)
    statement = select(*_VERIFIER, known.last_at).select_from(_ONE_ROW).outerjoin(UserRecord, is_user)
    statement = statement.outerjoin(known, is_known)
    if code is not None:
        is_code = codes.USABLE & (SignInCodeRecord.digest == code)
        statement = statement.add_columns(SignInCodeRecord.digest).outerjoin(SignInCodeRecord, is_code)
    found = Candidate(*connection.execute(statement).one())
    return None if found.id == _NO_USER else found


def _has_login(login: str) -> ColumnElement[bool]:
    column, key = login_key(login)
    return (UserRecord.username_key if column == "username" else UserRecord.email_key) == key


def find_to_verify(connection: Connection, user_id: UUID) -> Candidate | None:
    """Read the same by the user's id, without places. One statement, by primary key."""
    row = connection.execute(select(*_VERIFIER).where(UserRecord.id == user_id, _PRESENT)).one_or_none()
    return None if row is None else Candidate(*row)


def lock_for_sign_in(connection: Connection, user_id: UUID, client_id: str, *, exclusive: bool) -> LockedUser | None:
    """Lock the user's row and return the present state of user and client; None if either is removed.

    The lock is shared, so sign-ins of one user run in parallel. A change of password, roles or state waits until the
    session is inserted, and then ends or rewrites it. `exclusive` makes the sign-ins of one user take turns, which a
    cap on sessions needs. The client's row needs no lock, because the session's row has the client's epoch.
    """
    statement = (
        select(
            UserRecord.enabled,
            UserRecord.password_version,
            UserRecord.roles,
            UserRecord.subject,
            ClientRecord.enabled.label("client_enabled"),
            ClientRecord.epoch.label("client_epoch"),
        )
        .join(ClientRecord, ClientRecord.client_id == client_id)
        .where(UserRecord.id == user_id, _PRESENT, ClientRecord.removed_at.is_(None))
        .with_for_update(read=not exclusive, of=UserRecord)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else LockedUser(*row)


def lock_for_visit(connection: Connection, user_id: UUID) -> UserRecord | None:
    """Lock the user's row as `lock_for_sign_in` does. Returns its state and password version; None if it is removed."""
    columns = (UserRecord.enabled, UserRecord.password_version)
    statement = select(*columns).where(UserRecord.id == user_id, _PRESENT).with_for_update(read=True)
    return one_row(connection, UserRecord, statement)


def store_rehash(connection: Connection, user_id: UUID, password_version: int, password_hash: str) -> None:
    """Store the same password under newer parameters, unless the password was changed since it was verified."""
    unchanged = (UserRecord.id == user_id, UserRecord.password_version == password_version)
    connection.execute(update(UserRecord).where(*unchanged).values(password_hash=password_hash))


def read(connection: Connection, login_or_id: str) -> UserRecord | None:
    """Read a user by user name, e-mail address or id, with or without blanks around it."""
    named = _has_login(login_or_id)
    with suppress(ValueError):
        named = named | (UserRecord.id == UUID(login_or_id.strip()))
    return next(iter(all_rows(connection, UserRecord, select(*_COLUMNS).where(named, _PRESENT))), None)


def _has_subject(subject: str) -> ColumnElement[bool]:
    by_default = as_id(subject)
    own = UserRecord.subject == subject
    if by_default is None or str(by_default) != subject:
        return own
    return own | (UserRecord.subject.is_(None) & (UserRecord.id == by_default))


@dataclass(frozen=True, slots=True)
class Filter:
    """Which users to find; None matches all. `text` is part of the name or address, compared in folded form, or the subject.

    `login` is a whole user name or e-mail address, as at sign-in, and `subject` a whole claim `sub`.
    """

    text: str | None = None
    role: str | None = None
    enabled: bool | None = None
    login: str | None = None
    subject: str | None = None


def read_all(
    connection: Connection, which: Filter = Filter(), *, after: str | None = None, limit: int | None = None
) -> Sequence[UserRecord]:
    """Read the users in the order of `list_key`, without removed ones. `after` is the key of a user."""
    statement = select(*_COLUMNS).where(_PRESENT).order_by(_list_key).limit(limit)
    if after is not None:
        statement = statement.where(_list_key > after)
    if which.text is not None:
        folded = fold(which.text.strip())
        in_name = UserRecord.username_key.contains(folded, autoescape=True)
        in_address = UserRecord.email_key.contains(folded, autoescape=True)
        statement = statement.where(in_name | in_address | _has_subject(which.text))
    if which.role is not None:
        words = literal(" ") + cast(UserRecord.roles, Text) + literal(" ")
        statement = statement.where(words.contains(f" {which.role} ", autoescape=True))
    if which.enabled is not None:
        statement = statement.where(UserRecord.enabled.is_(which.enabled))
    if which.login is not None:
        statement = statement.where(_has_login(which.login))
    if which.subject is not None:
        statement = statement.where(_has_subject(which.subject))
    return all_rows(connection, UserRecord, statement)


def names_of(connection: Connection, ids: Collection[UUID]) -> dict[UUID, str]:
    """What people see of these users, for lists: the user name, or the address of a user without one.

    Removed users have their user name while their rows are kept. One who had only an address is missing.
    """
    named = (UserRecord.id.in_(ids), UserRecord.username != "")
    rows = connection.execute(select(UserRecord.id, UserRecord.username).where(*named)).all()
    return {row.id: row.username for row in rows}


def count_hashes(connection: Connection) -> list[HashCount]:
    """Count the passwords of enabled users by kind of hash. One statement, which reads all users.

    The kind is Argon2id with its parameters. For other hashes it is the part before the second "$": the algorithm.
    """
    encoded = UserRecord.password_hash
    parameters = func.substr(encoded, len(_ARGON2ID) + 1)
    argon2id = func.substr(encoded, 1, len(_ARGON2ID) - 1 + position(parameters, "$"))
    other = func.substr(encoded, 1, position(func.substr(encoded, 2), "$"))
    kind = case((encoded.startswith(_ARGON2ID, autoescape=True), argon2id), else_=other).label("kind")
    counted = select(kind, func.count().label("number"), func.min(UserRecord.username).label("example"))
    rows = connection.execute(counted.where(_PRESENT, UserRecord.enabled).group_by(kind).order_by(kind)).all()
    return [HashCount(row.kind, row.number, row.example) for row in rows]


def some_hashes(connection: Connection, limit: int) -> Sequence[UserRecord]:
    """Read name and hash of so many enabled users with a password, those with another system's hash first."""
    encoded = UserRecord.password_hash
    statement = select(UserRecord.username, encoded).where(_PRESENT, UserRecord.enabled, encoded.is_not(None))
    foreign_first = case((encoded.startswith(_ARGON2ID, autoescape=True), 1), else_=0)
    return all_rows(connection, UserRecord, statement.order_by(foreign_first, _list_key).limit(limit))


def role_sets(connection: Connection) -> frozenset[frozenset[str]]:
    """The distinct sets of roles of enabled users. One statement, which reads all users."""
    distinct = select(UserRecord.roles).where(_PRESENT, UserRecord.enabled).distinct()
    return frozenset(connection.execute(distinct).scalars())


def add(connection: Connection, values: Mapping[str, Any]) -> None:
    """Insert a user. Raises IntegrityError if the name, address or subject is taken."""
    connection.execute(
        insert(UserRecord).values(password_version=1, enabled=True, created_at=now_ms(), changed_at=now_ms(), **values)
    )


def add_all(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many users at once. Raises IntegrityError if one name, address or subject is taken."""
    connection.execute(
        insert(UserRecord).values(password_version=1, created_at=now_ms(), changed_at=now_ms()),
        [dict(row) for row in rows],
    )


def read_by_keys(connection: Connection, names: Collection[str], emails: Collection[str]) -> Sequence[UserRecord]:
    """Read the users who have one of these folded names or addresses."""
    either = UserRecord.username_key.in_(names) | UserRecord.email_key.in_(emails)
    return all_rows(connection, UserRecord, select(*_COLUMNS).where(either, _PRESENT))


def lock(connection: Connection, user_id: UUID) -> bool:
    """Lock the row against sign-ins until the transaction ends; waits for running ones. Returns whether it exists."""
    statement = select(UserRecord.id).where(UserRecord.id == user_id, _PRESENT).with_for_update()
    return connection.execute(statement).one_or_none() is not None


def change(connection: Connection, user_id: UUID, values: Mapping[str, Any], *which: ColumnElement[bool]) -> bool:
    """Change columns of a user, if `which` holds. Waits as `lock` does. Returns whether the user was changed."""
    changed = update(UserRecord).where(UserRecord.id == user_id, _PRESENT, *which)
    return connection.execute(changed.values(changed_at=now_ms(), **values)).rowcount == 1


def set_password(connection: Connection, user_id: UUID, password_hash: str) -> bool:
    """Change the password. A proof of the old password no longer counts."""
    values = {"password_hash": password_hash, "password_version": UserRecord.password_version + 1}
    return change(connection, user_id, values)


def set_password_of_version(connection: Connection, user_id: UUID, password_version: int, password_hash: str) -> bool:
    """Change the password if it still has this version and the user is enabled. Returns whether it was changed."""
    values = {"password_hash": password_hash, "password_version": password_version + 1}
    unchanged = (UserRecord.password_version == password_version) & UserRecord.enabled
    return change(connection, user_id, values, unchanged)


def remove(connection: Connection, user_id: UUID) -> bool:
    """Mark a user as removed, erase the password and free the names. Returns whether it existed."""
    values = {
        "removed_at": now_ms(),
        "enabled": False,
        "password_hash": None,
        "password_version": UserRecord.password_version + 1,
        "username": case((UserRecord.username_key.is_(None), ""), else_=UserRecord.username),
        "username_key": None,
        "email": None,
        "email_key": None,
    }
    return change(connection, user_id, values)


def removed() -> ColumnElement[bool]:
    """Users who are removed."""
    return UserRecord.removed_at.is_not(None)
