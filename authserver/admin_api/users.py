"""Users: list, add, read, change, remove, disable, enable, set the password, end sessions. A user is named by id."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field

from authserver.admin_api import paging
from authserver.admin_api.route import (
    JSON,
    MERGE_PATCH,
    PREFIX,
    Answer,
    Content,
    Document,
    Line,
    NextPage,
    Route,
    unset,
)
from authserver.administration import password_links, sessions
from authserver.administration import users as use_cases
from authserver.administration.context import Administration
from authserver.administration.errors import NotFound
from authserver.administration.users import Profile
from authserver.database.times import iso_of
from authserver.users.model import UserRecord
from authserver.users.store import Filter

_READ: Final = "authserver:users:read"
_WRITE: Final = "authserver:users:write"

Username = Annotated[Line, Field(min_length=1, max_length=100)]
Email = Annotated[Line, Field(min_length=3, max_length=254)]
Roles = Annotated[list[Annotated[Line, Field(min_length=1, max_length=64)]], Field(max_length=100)]
Password = Annotated[Line, Field(min_length=8, max_length=256, json_schema_extra={"format": "password"})]


class UserChanges(Document):
    """What may be changed of a user. A member that is left out stays as it is."""

    username: Username = Field(default_factory=unset)
    email: Email | None = Field(default=None, description="Can sign in with it too; null takes it away.")
    roles: Roles = Field(default_factory=unset, description="A lost role takes its scopes out of sessions at once.")


class UserCreation(Document):
    """A user to add. Without a password nobody can sign in until a one-time link has set one."""

    username: Username
    email: Email | None = None
    roles: Roles = Field(default_factory=list)
    password: Password | None = None


class NewPassword(Document):
    """A password to set."""

    password: Password


class User(Document):
    """A user as it is. Times are ISO 8601 in UTC."""

    id: str
    username: str
    email: str | None
    roles: list[str]
    enabled: bool
    has_password: bool
    created_at: str
    changed_at: str


class UserList(NextPage):
    """A page of users, by folded name."""

    items: list[User]


class PasswordLink(Document):
    """A link for its user alone, with which a password is set once. It is shown in this answer and nowhere else."""

    username: str
    url: str
    expires_at: str


class EndedSessions(Document):
    """How many sessions an act has ended."""

    sessions_ended: int


class UserQuery(paging.Page):
    """Which users to list."""

    q: Annotated[Line, Field(max_length=100)] | None = Field(
        default=None, description="Stands somewhere in user name or e-mail address, in whatever case."
    )
    login: Annotated[Line, Field(max_length=254)] | None = Field(
        default=None, description="Is the whole user name or e-mail address, as at sign-in."
    )
    role: Annotated[Line, Field(max_length=64)] | None = None
    enabled: bool | None = None


def user(row: UserRecord) -> User:
    """The representation of a row."""
    return User(
        id=str(row.id),
        username=row.username,
        email=row.email,
        roles=sorted(row.roles),
        enabled=row.enabled,
        has_password=row.password_hash is not None,
        created_at=iso_of(row.created_at),
        changed_at=iso_of(row.changed_at),
    )


def checked_id(user_id: str) -> str:
    """The id of a path, in its one spelling. Names are for the filter `login`: one may hold a slash, or be another's id.

    Raises:
        NotFound: no id at all.
    """
    try:
        if str(UUID(user_id)) == user_id:
            return user_id
    except ValueError:
        pass
    raise NotFound(f"there is no user of the id {user_id[:40]!r}; to find one by name: {PREFIX}/users?login=…")


def list_(admin: Administration, query: UserQuery) -> Answer:
    which = Filter(query.q, query.role, query.enabled, query.login)
    rows = use_cases.find_all(admin, which, after=paging.start(query), limit=query.limit + 1)
    kept, following = paging.cut(rows, query, lambda row: row.username_key, f"{PREFIX}/users")
    return Answer(UserList(items=[user(row) for row in kept], next=following))


def hash_first(admin: Administration, body: UserCreation) -> str | None:
    return use_cases.hash_new(admin, _profile(body), body.password)


def create(admin: Administration, body: UserCreation, prepared: str | None) -> Answer:
    made = user(use_cases.add_hashed(admin, _profile(body), prepared))
    return Answer(made, 201, {"Location": f"{PREFIX}/users/{made.id}"}, represents=made)


def read(admin: Administration, user_id: str) -> Answer:
    shown = user(use_cases.find(admin, checked_id(user_id)))
    return Answer(shown, represents=shown)


def change(admin: Administration, user_id: str, body: UserChanges) -> Answer:
    sent: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if "roles" in sent:
        sent["roles"] = frozenset(sent["roles"])

    def changing(before: Profile) -> Profile:
        return replace(before, **sent)

    shown = user(use_cases.edit(admin, checked_id(user_id), changing))
    return Answer(shown, represents=shown)


def remove(admin: Administration, user_id: str) -> Answer:
    use_cases.remove(admin, checked_id(user_id))
    return Answer(status=204)


def set_password(admin: Administration, user_id: str, body: NewPassword) -> Answer:
    return Answer(EndedSessions(sessions_ended=use_cases.set_password(admin, checked_id(user_id), body.password)))


def issue_link(admin: Administration, user_id: str) -> Answer:
    issued = password_links.issue(admin, checked_id(user_id))
    return Answer(PasswordLink(username=issued.username, url=issued.url, expires_at=iso_of(issued.expires_at)), 201)


def disable(admin: Administration, user_id: str) -> Answer:
    return Answer(EndedSessions(sessions_ended=use_cases.disable(admin, checked_id(user_id))))


def enable(admin: Administration, user_id: str) -> Answer:
    use_cases.enable(admin, checked_id(user_id))
    return read(admin, user_id)


def end_sessions(admin: Administration, user_id: str) -> Answer:
    which = sessions.whose(admin, user=checked_id(user_id), client=None)
    return Answer(EndedSessions(sessions_ended=sessions.revoke_all(admin, which)))


def _profile(body: UserCreation) -> Profile:
    return Profile(body.username, body.email, frozenset(body.roles))


_SHOWN: Final = {200: Content(description="The user", model=User, headers=("ETag",))}
_ENDED: Final = {200: Content(description="Done", model=EndedSessions)}

ROUTES: Final = (
    Route(
        method="GET", path="/users", scope=_READ, summary="List users, or find one by name", handler=list_,
        query=UserQuery, answers={200: Content(description="A page", model=UserList)},
    ),
    Route(
        method="POST", path="/users", scope=_WRITE, summary="Add a user", handler=create, prepare=hash_first,
        body=UserCreation, idempotent=True, errors=frozenset({409}),
        answers={201: Content(description="Added", model=User, headers=("ETag", "Location"))},
    ),
    Route(method="GET", path="/users/{user_id}", scope=_READ, summary="Read a user", handler=read, answers=_SHOWN),
    Route(
        method="PATCH", path="/users/{user_id}", scope=_WRITE, summary="Change a user", handler=change,
        body=UserChanges, body_types=(MERGE_PATCH, JSON), if_match="required", represents=user,
        errors=frozenset({409}), answers=_SHOWN, description="A JSON merge patch (RFC 7396).",
    ),
    Route(
        method="DELETE", path="/users/{user_id}", scope=_WRITE, summary="Remove a user for good", handler=remove,
        if_match="required", represents=user, answers={204: Content(description="Removed")},
        description="Erases password and address, frees the name, ends all sessions.",
    ),
    Route(
        method="POST", path="/users/{user_id}/password", scope=_WRITE, summary="Set a user's password",
        handler=set_password, body=NewPassword, if_match="optional", represents=user, answers=_ENDED,
        description="Ends all sessions. A one-time link lets the user choose it, and nobody else know it.",
    ),
    Route(
        method="POST", path="/users/{user_id}/password-link", scope=_WRITE, handler=issue_link,
        summary="Make a one-time link with which a user sets the password", errors=frozenset({409}),
        answers={201: Content(description="The link", model=PasswordLink)},
        description="An earlier link ends now; all sessions end when the link is used.",
    ),
    Route(
        method="POST", path="/users/{user_id}/disable", scope=_WRITE, summary="Disable a user", handler=disable,
        if_match="optional", represents=user, errors=frozenset({409}), answers=_ENDED, description="Ends all sessions.",
    ),
    Route(
        method="POST", path="/users/{user_id}/enable", scope=_WRITE, summary="Enable a user", handler=enable,
        if_match="optional", represents=user, errors=frozenset({409}), answers=_SHOWN, description="Restores no session.",
    ),
    Route(
        method="POST", path="/users/{user_id}/end-sessions", scope="authserver:sessions:write",
        summary="End all sessions of a user", handler=end_sessions, answers=_ENDED,
        description="Signs the user out of the server's own pages too.",
    ),
)  # fmt: skip
