"""What an act on a user means for the user's sessions, visits and password links. The caller commits."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from authserver.administration.authority import opened_by
from authserver.administration.context import Administration
from authserver.apis import store as apis
from authserver.pages import visits
from authserver.sessions import ending
from authserver.sessions.model import End
from authserver.users.links import store as links
from authserver.users.places import store as places


def end_everything(connection: Connection, admin: Administration, user_id: UUID, why: End) -> int:
    """End the user's sessions, visits and password links, and forget the places. Returns how many sessions.

    None of them counts while the user is disabled, but all would count again as soon as the user is enabled.
    """
    links.end(connection, user_id)
    places.forget(connection, user_id)
    visits.end_visits_of_user(connection, user_id, actor=admin.actor, because=why.value, caller=admin.caller)
    return ending.end_sessions_of_user(connection, user_id, why, actor=admin.actor, caller=admin.caller)


def end_outgrown_links(connection: Connection, user_id: UUID, before: frozenset[str], roles: frozenset[str]) -> None:
    """End the user's links if the roles open more of administration than before.

    The administrator who made a link may know it, and may lack the authority to make one for this user now.
    """
    catalogue = apis.read(connection)
    if opened_by(catalogue, roles) - opened_by(catalogue, before):
        links.end(connection, user_id)


def rewrite_sessions(connection: Connection, user_id: UUID, roles: frozenset[str]) -> None:
    """Give the user's sessions the roles, and take the scopes from them that these do not open."""
    closed = [scope.name for scope in apis.read(connection).scopes.values() if not scope.is_open_to(roles)]
    ending.rewrite_roles(connection, user_id, roles, frozenset(closed))
