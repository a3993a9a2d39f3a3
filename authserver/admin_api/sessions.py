"""Sessions: list, read and end them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from authserver.admin_api import paging
from authserver.admin_api.route import Document, Line, NextPage, Route
from authserver.administration import sessions as use_cases
from authserver.administration.context import Administration
from authserver.administration.errors import NotFound
from authserver.sessions.document import as_document
from authserver.sessions.model import SessionRecord

_READ: Final = "authserver:sessions:read"
_WRITE: Final = "authserver:sessions:write"


class Session(Document):
    """One sign-in of one user through one client on one device. Times are ISO 8601 in UTC."""

    id: str
    user_id: str
    subject: str = Field(description="The claim `sub` of its tokens.")
    username: str | None
    client_id: str
    live: bool
    scope: str
    audiences: list[str]
    roles: list[str]
    created_at: str
    last_used_at: str
    idle_expires_at: str
    absolute_expires_at: str
    revoked_at: str | None
    revoked_because: str | None
    generation: int
    retries: int
    late_retries: int
    device_name: str | None
    last_address: str | None
    last_user_agent: str | None


class SessionList(NextPage):
    """A page of sessions, newest first."""

    items: list[Session]


class SessionQuery(paging.Page):
    """Which sessions to list."""

    user_id: Annotated[Line, Field(max_length=36)] | None = None
    client_id: Annotated[Line, Field(max_length=32)] | None = None
    ended: bool = Field(default=False, description="Include ended sessions, while their rows are kept.")


def list_(admin: Administration, query: SessionQuery) -> SessionList:
    which = use_cases.Whose(None if query.user_id is None else _uuid(query.user_id, "user"), query.client_id)
    start = paging.decode(query.cursor)
    try:
        before = None if start is None else UUID(start)
    except ValueError:
        raise paging.bad_cursor() from None
    rows = use_cases.find_all(admin, which, include_ended=query.ended, limit=query.limit + 1, before=before)
    kept, following = paging.cut(rows, query, lambda row: row.id)
    return SessionList(items=_described(admin, kept), next=following)


def read(admin: Administration, session_id: str) -> Session:
    (found,) = _described(admin, [use_cases.find(admin, _uuid(session_id, "session"))])
    return found


def end(admin: Administration, session_id: str) -> Session:
    use_cases.revoke(admin, _uuid(session_id, "session"))
    return read(admin, session_id)


def _described(admin: Administration, rows: Sequence[SessionRecord]) -> list[Session]:
    names = use_cases.usernames(admin, {row.user_id for row in rows})
    documents = [as_document(row, names.get(row.user_id)) for row in rows]
    return [Session(scope=" ".join(document.pop("scopes")), **document) for document in documents]


def _uuid(text: str, what: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no {what} of the id {text[:40]!r}") from None


ROUTES: Final = (
    Route("GET", "/sessions", _READ, "List sessions, newest first", list_, "A page", errors={404}),
    Route("GET", "/sessions/{session_id}", _READ, "Read a session", read, "The session"),
    Route(
        "POST", "/sessions/{session_id}/end", _WRITE, "End a session", end, "The session",
        description="Refreshes fail at once. A session that has ended before is left as it is.",
    ),
)  # fmt: skip
