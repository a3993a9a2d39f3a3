"""Use cases of sessions: list, count, end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from authserver.administration import clients, users
from authserver.administration.context import Administration
from authserver.administration.errors import NotFound
from authserver.administration.sweeping import Progress, sweep_now
from authserver.pages import visits
from authserver.sessions import ending, listing
from authserver.sessions.model import End, SessionRecord
from authserver.users import store as user_store

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Whose:
    """Which sessions: of a user, of a client, of both together, or all. Names are checked by `whose`."""

    user_id: UUID | None = None
    client_id: str | None = None


def whose(admin: Administration, *, user: str | None, client: str | None) -> Whose:
    """Raises `NotFound` for a user or client that does not exist, instead of finding no sessions."""
    user_id = None if user is None else users.find(admin, user).id
    client_id = None if client is None else clients.find(admin, client).client_id
    return Whose(user_id, client_id)


def find(admin: Administration, session_id: UUID) -> SessionRecord:
    """A session, ended or not, while its row is kept."""
    row = listing.find_session(admin.database, session_id)
    if row is None:
        raise NotFound(f"there is no session {session_id}", see="sessions list --all")
    return row


def find_all(
    admin: Administration, which: Whose, *, include_ended: bool, limit: int, before: UUID | None = None
) -> Sequence[SessionRecord]:
    """Sessions, newest first. `before` is the last id of the previous page."""
    return listing.list_sessions(
        admin.database,
        user_id=which.user_id,
        client_id=which.client_id,
        include_ended=include_ended,
        limit=limit,
        before=before,
    )


def usernames(admin: Administration, ids: set[UUID]) -> Mapping[UUID, str]:
    """The names of these users. Removed users have one too while their rows are kept."""
    with admin.database.autocommit() as connection:
        return user_store.names_of(connection, ids)


def count_live(admin: Administration, which: Whose) -> int:
    """How many live sessions `revoke_all` would end."""
    return listing.count_live(admin.database, user_id=which.user_id, client_id=which.client_id)


def revoke(admin: Administration, session_id: UUID) -> bool:
    """End one session. Returns False if it had ended before.

    Raises:
        NotFound: there is no such session.
    """
    find(admin, session_id)
    return _end(admin, session_id)


def revoke_all(admin: Administration, which: Whose, on_progress: Progress | None = None) -> int:
    """End all sessions of a user, of a client, or of a user with a client. Returns how many.

    If all sessions of a user end, the visits end too: a thief may hold one. Users who do this themselves keep theirs.
    """
    if which.client_id is None and which.user_id is not None:
        return _end_all_of_user(admin, which.user_id)
    if which.user_id is None and which.client_id is not None:
        # A client may have millions of sessions. A new epoch ends them all, and the sweep writes that into the rows.
        clients.end_all(admin, which.client_id)
        return sweep_now(admin, on_progress)
    ended = 0
    while rows := find_all(admin, which, include_ended=False, limit=_PAGE):
        ended += sum(_end(admin, row.id) for row in rows)
    return ended


def _end_all_of_user(admin: Administration, user_id: UUID) -> int:
    actor, caller, why = admin.actor, admin.caller, End.ENDED_BY_ADMINISTRATOR
    with admin.transaction() as connection:
        if actor != f"user:{user_id}":
            visits.end_visits_of_user(connection, user_id, actor=actor, because=why.value, caller=caller)
        return ending.end_sessions_of_user(connection, user_id, why, actor=actor, caller=caller)


def _end(admin: Administration, session_id: UUID) -> bool:
    why = End.ENDED_BY_ADMINISTRATOR
    with admin.transaction() as connection:
        return ending.end_session(connection, session_id, why, actor=admin.actor, caller=admin.caller)
