"""Introspection: what a client may know about a token (RFC 7662 section 2.2).

It reads the session's row, so it knows of a revocation at once. The client that a token was issued to is told about
it, and an API about an access token for it. To all others the token is not active, as if it did not exist.
"""

from __future__ import annotations

import hmac
from typing import Any

from authserver.apis.model import Catalogue
from authserver.clients.model import Client
from authserver.database.engine import Database
from authserver.refusals.exceptions import Refused
from authserver.sessions import store as sessions
from authserver.sessions.refresh_token import PREFIX as REFRESH_PREFIX
from authserver.sessions.rotation import Rotation
from authserver.sessions.values import expires_at, is_live
from authserver.tokens.access_token import AccessTokens, OwnToken
from authserver.tokens.standing import look_up
from authserver.users.subjects import subject_of

INACTIVE: dict[str, Any] = {"active": False}


class Introspection:
    """Looks tokens up. One or two statements; changes nothing, and never rotates a refresh token."""

    def __init__(self, database: Database, access_tokens: AccessTokens, rotation: Rotation, issuer: str) -> None:
        self._database = database
        self._access_tokens = access_tokens
        self._rotation = rotation
        self._issuer = issuer

    def look_up(self, text: str, asking: Client, catalogue: Catalogue) -> dict[str, Any]:
        """Return the members of the answer; `{"active": False}` if the asking client may not know the token."""
        if text.startswith(REFRESH_PREFIX):
            return self._refresh_token(text, asking)
        token = self._access_tokens.recognise(text)
        if token is None or not _may_know(token, asking, catalogue):
            return INACTIVE
        with self._database.autocommit() as connection:
            if look_up(connection, token).ended is not None:
                return INACTIVE
        return {"active": True, "token_type": "Bearer", **token.claims}

    def _refresh_token(self, text: str, asking: Client) -> dict[str, Any]:
        try:
            token, _ = self._rotation.genuine(text)
        except Refused:
            return INACTIVE
        with self._database.autocommit() as connection:
            row = sessions.read(connection, token.session_id)
        if row is None or row.client_id != asking.client_id or not is_live(row, row.now, epoch=asking.epoch):
            return INACTIVE
        if row.current_digest is None or not hmac.compare_digest(token.digest, row.current_digest):
            return INACTIVE
        return {
            "active": True,
            "iss": self._issuer,
            "client_id": row.client_id,
            "sub": subject_of(row.subject, row.user_id),
            "sid": str(row.id),
            "scope": " ".join(sorted(row.scopes)),
            "exp": expires_at(row) // 1000,
        }


def _may_know(token: OwnToken, asking: Client, catalogue: Catalogue) -> bool:
    if token.client_id == asking.client_id:
        return True
    audience = token.claims["aud"]
    audiences = {audience} if isinstance(audience, str) else set(audience)
    return any(api.client_id == asking.client_id for name, api in catalogue.apis.items() if name in audiences)
