"""Users: list, add, read, change, remove, disable, enable, set the password, end sessions. A path has the user's id."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from authserver.admin_api import paging
from authserver.admin_api.route import (
    MERGE_PATCH,
    Document,
    Line,
    NextPage,
    Roles,
    Route,
    Versioned,
    unset,
)
from authserver.administration import password_links, sessions
from authserver.administration import users as use_cases
from authserver.administration.context import Administration
from authserver.administration.errors import NotFound
from authserver.administration.users import Profile
from authserver.database.times import iso_of
from authserver.users.document import as_document
from authserver.users.model import UserRecord, list_key
from authserver.users.store import Filter

_READ: Final = "authserver:users:read"
_WRITE: Final = "authserver:users:write"

_RULES: Final = (
    "Refused if it is shorter than `passwords.min_length`, a common or breached password, a sequence, or little more than "
    "the user's name or address or the name of the service."
)

Username = Annotated[Line, Field(min_length=1, max_length=100)]
Email = Annotated[Line, Field(min_length=3, max_length=254)]
Subject = Annotated[Line, Field(min_length=1, max_length=255)]
Password = Annotated[
    Line, Field(min_length=8, max_length=256, json_schema_extra={"format": "password"}, description=_RULES)
]


class UserChanges(Document):
    """What may be changed of a user. A member that is left out stays as it is."""

    username: Username | None = Field(default=None, description="Null removes it, if there is an address.")
    email: Email | None = Field(default=None, description="The user can sign in with it too; null removes it.")
    roles: Roles = Field(default_factory=unset, description="The scopes of a lost role leave sessions at once.")


class UserCreation(Document):
    """A user to add. Without a password the user cannot sign in until a one-time link has set one."""

    username: Username | None = Field(default=None, description="Optional if there is an address.")
    email: Email | None = None
    roles: Roles = Field(default_factory=list)
    password: Password | None = None
    subject: Subject | None = Field(
        default=None, description="The claim `sub` of the user's tokens, for ever; the id by default."
    )


class NewPassword(Document):
    """A password to set."""

    password: Password


class User(Versioned):
    """A user as it is. Times are ISO 8601 in UTC."""

    id: str
    subject: str = Field(description="The claim `sub` of the user's tokens; the id unless another was given.")
    username: str | None
    email: str | None
    roles: list[str]
    enabled: bool
    has_password: bool
    created_at: str
    changed_at: str


class UserList(NextPage):
    """A page of users, by folded name, or address where there is no name."""

    items: list[User]


class PasswordLink(Document):
    """A link with which its user, and no other, sets the password once. Only this answer shows it."""

    username: str = Field(description="The user name, or the address of a user without one.")
    url: str
    expires_at: str


class EndedSessions(Document):
    """How many sessions an act has ended."""

    sessions_ended: int


class UserQuery(paging.Page):
    """Which users to list."""

    q: Annotated[Line, Field(max_length=100)] | None = Field(
        default=None,
        description="A part of the user name or e-mail address, where case does not matter, or the subject.",
    )
    login: Annotated[Line, Field(max_length=254)] | None = Field(
        default=None, description="The whole user name or e-mail address, as at sign-in."
    )
    subject: Annotated[Line, Field(max_length=255)] | None = Field(
        default=None, description="The whole claim `sub`, as a token has it."
    )
    role: Annotated[Line, Field(max_length=64)] | None = None
    enabled: bool | None = None


def user(row: UserRecord) -> User:
    """The representation of a row."""
    return User(**as_document(row))


def checked_id(user_id: str) -> str:
    """Check the id of a path. A name is refused, because it may hold a slash; the filter `login` finds it.

    Raises:
        NotFound: it is not an id, or not in the canonical spelling.
    """
    with suppress(ValueError):
        if str(UUID(user_id)) == user_id:
            return user_id
    raise NotFound(f"there is no user of the id {user_id[:40]!r}; to find one by name, list users with ?login=…")


def list_(admin: Administration, query: UserQuery) -> UserList:
    which = Filter(query.q, query.role, query.enabled, query.login, query.subject)
    rows = use_cases.find_all(admin, which, after=paging.decode(query.cursor), limit=query.limit + 1)
    kept, following = paging.cut(rows, query, list_key)
    return UserList(items=[user(row) for row in kept], next=following)


def hash_password(admin: Administration, body: UserCreation) -> str | None:
    return use_cases.hash_new(admin, _profile(body), body.password)


def create(admin: Administration, body: UserCreation, prepared: str | None) -> User:
    return user(use_cases.add_hashed(admin, _profile(body), prepared))


def read(admin: Administration, user_id: str) -> User:
    return user(use_cases.find(admin, checked_id(user_id)))


def change(admin: Administration, user_id: str, body: UserChanges) -> User:
    sent = body.model_dump(exclude_unset=True)
    if "roles" in sent:
        sent["roles"] = frozenset(body.roles)
    return user(use_cases.edit(admin, checked_id(user_id), lambda before: replace(before, **sent)))


def remove(admin: Administration, user_id: str) -> None:
    use_cases.remove(admin, checked_id(user_id))


def set_password(admin: Administration, user_id: str, body: NewPassword) -> EndedSessions:
    return EndedSessions(sessions_ended=use_cases.set_password(admin, checked_id(user_id), body.password))


def issue_link(admin: Administration, user_id: str) -> PasswordLink:
    issued = password_links.issue(admin, checked_id(user_id))
    return PasswordLink(username=issued.username, url=issued.url, expires_at=iso_of(issued.expires_at))


def disable(admin: Administration, user_id: str) -> EndedSessions:
    return EndedSessions(sessions_ended=use_cases.disable(admin, checked_id(user_id)))


def enable(admin: Administration, user_id: str) -> User:
    use_cases.enable(admin, checked_id(user_id))
    return read(admin, user_id)


def end_sessions(admin: Administration, user_id: str) -> EndedSessions:
    which = sessions.whose(admin, user=checked_id(user_id), client=None)
    return EndedSessions(sessions_ended=sessions.revoke_all(admin, which))


def _profile(body: UserCreation) -> Profile:
    return Profile(body.username, body.email, frozenset(body.roles), body.subject)


ROUTES: Final = (
    Route("GET", "/users", _READ, "List users, or find one by name or subject", list_, "A page"),
    Route(
        "POST", "/users", _WRITE, "Add a user", create, "Added",
        status=201, location="id", idempotent=True, prepare=hash_password, errors={409},
    ),
    Route("GET", "/users/{user_id}", _READ, "Read a user", read, "The user"),
    Route(
        "PATCH", "/users/{user_id}", _WRITE, "Change a user", change, "The user", body_types=MERGE_PATCH,
        represents=user, errors={409}, description="A JSON merge patch (RFC 7396).",
    ),
    Route(
        "DELETE", "/users/{user_id}", _WRITE, "Remove a user for good", remove, "Removed", status=204,
        represents=user, description="Erases password and address, frees the name, ends all sessions.",
    ),
    Route(
        "POST", "/users/{user_id}/password", _WRITE, "Set a user's password", set_password, "Done",
        represents=user,
        description="Ends all sessions. With a one-time link instead, only the user knows the password.",
    ),
    Route(
        "POST", "/users/{user_id}/password-link", _WRITE, "Make a one-time link with which a user sets the password",
        issue_link, "The link", status=201, errors={409},
        description="An earlier link ends now; all sessions end when the link is used.",
    ),
    Route(
        "POST", "/users/{user_id}/disable", _WRITE, "Disable a user", disable, "Done",
        represents=user, errors={409}, description="Ends all sessions.",
    ),
    Route(
        "POST", "/users/{user_id}/enable", _WRITE, "Enable a user", enable, "The user",
        represents=user, errors={409}, description="Restores no session.",
    ),
    Route(
        "POST", "/users/{user_id}/end-sessions", "authserver:sessions:write", "End all sessions of a user",
        end_sessions, "Done", description="Signs the user out of the server's own pages too.",
    ),
)  # fmt: skip
