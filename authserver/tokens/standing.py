"""Whether a recognised access token still counts. It reads the token's rows, so it knows of a revocation at once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from authserver.clients import store as clients
from authserver.clients.model import ClientRecord
from authserver.refusals.reasons import Reason
from authserver.sessions import store as sessions
from authserver.sessions.model import SessionRecord
from authserver.sessions.values import is_live
from authserver.tokens.access_token import OwnToken


@dataclass(frozen=True, slots=True)
class Standing:
    """A token's client and session as they are now. `ended` says why the token no longer counts; None if it counts.

    `session` is None for a client's own token.
    """

    client: ClientRecord | None = None
    session: SessionRecord | None = None
    ended: Reason | None = None


def look_up(connection: Connection, token: OwnToken) -> Standing:
    """Check expiry by the database's clock, client, epoch, status index and session. At most three statements."""
    now = sessions.now(connection)
    if token.claims["exp"] * 1000 <= now:
        return Standing(ended=Reason.ACCESS_TOKEN_EXPIRED)
    client = clients.read(connection, token.client_id)
    if client is None or not client.enabled:
        return Standing(client, ended=Reason.ACCESS_TOKEN_ENDED)
    if token.session_id is None:
        good = client.status_index == token.status_index
        return Standing(client, ended=None if good else Reason.ACCESS_TOKEN_ENDED)
    row = sessions.read(connection, token.session_id)
    good = row is not None and row.client_id == token.client_id and is_live(row, now, epoch=client.epoch)
    return Standing(client, row, ended=None if good else Reason.ACCESS_TOKEN_ENDED)
