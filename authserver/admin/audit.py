"""Use cases of the audit record: find events, and explain a refusal by its reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from authserver import audit
from authserver.admin.context import Administration
from authserver.admin.errors import Invalid
from authserver.audit import Search
from authserver.clients import store as clients
from authserver.database import AnyRow
from authserver.keys.vault import Vault
from authserver.refusals import References, Refusal
from authserver.sessions import listing
from authserver.users import store as users


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows now of a refusal's session, its user and its client; None where it knows nothing."""

    session: AnyRow | None
    username: str | None
    client: AnyRow | None


def find(admin: Administration, search: Search, *, limit: int) -> Sequence[AnyRow]:
    """The newest events that match, newest first."""
    with admin.database.autocommit() as connection:
        return audit.find(connection, search, limit=limit)


def explain(vault: Vault, reference: str) -> Refusal:
    """What a reference says. Asks no database.

    Raises:
        Invalid: it is no reference of this server.
    """
    try:
        return References(vault.reference_key()).open(reference)
    except ValueError as problem:
        raise Invalid([f"{problem}; copy all of the member `reference` of the error"]) from None


def look_up(admin: Administration, refusal: Refusal) -> Known:
    """What the database knows of it now."""
    session = None if refusal.session_id is None else listing.find_session(admin.database, refusal.session_id)
    client_id = session.client_id if session is not None else refusal.client_id
    with admin.database.autocommit() as connection:
        client = None if client_id is None else clients.read(connection, client_id)
        names = {} if session is None else users.names_of(connection, {session.user_id})
    return Known(session, next(iter(names.values()), None), client)
