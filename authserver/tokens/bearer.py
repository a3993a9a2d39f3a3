"""Accepts access tokens at the server's own resources: the admin API, and a user's own sessions (RFC 6750).

Other APIs check a token by itself and learn of a revocation within seconds. The server can read the rows, so here a
token stops to count at the same moment as its session, its client and their scopes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from authserver.apis import store as apis
from authserver.database.engine import Database
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.tokens.access_token import AccessTokens
from authserver.tokens.standing import look_up

# RFC 6750 section 2.1: b64token. The scheme's case does not matter (RFC 9110 section 11.1).
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Bearer:
    """The holder of an accepted token, and the scopes that count now. A client's own token has no user or session."""

    client_id: str
    user_id: UUID | None
    session_id: UUID | None
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        """The holder's name in the audit record."""
        return f"client:{self.client_id}" if self.user_id is None else f"user:{self.user_id}"


class BearerTokens:
    """Accepts access tokens. Garbage costs no statement; a token of this server costs at most four."""

    def __init__(self, database: Database, access_tokens: AccessTokens) -> None:
        self._database = database
        self._access_tokens = access_tokens

    def accept(self, authorization: str | None, audience: str, *, alone: bool = True) -> Bearer:
        """Return the holder of the token in an Authorization header. The caller compares `scopes` with what it needs.

        `alone` refuses a token that has other audiences too.

        Raises:
            Refused: there is no token, or it is foreign, expired, ended, or not for this audience.
            TryLater: its key may be newer than this node's key ring.
        """
        if authorization is None:
            raise Refused(Reason.ACCESS_TOKEN_MISSING)
        sent = _BEARER.fullmatch(authorization)
        token = None if sent is None else self._access_tokens.recognise(sent[1])
        if token is None or "cnf" in token.claims:  # bound to a key, and this server checks no proof of it
            raise Refused(Reason.ACCESS_TOKEN_INVALID)
        # Each audience of a token receives it, and could use it here.
        named = token.claims.get("aud")
        audiences = named if isinstance(named, list) else [named]
        if audience not in audiences or (alone and len(audiences) > 1):
            raise Refused(Reason.ACCESS_TOKEN_AUDIENCE, session_id=token.session_id)
        with self._database.autocommit() as connection:
            standing = look_up(connection, token)
            if standing.ended is not None or standing.client is None:
                reason = standing.ended or Reason.ACCESS_TOKEN_ENDED
                raise Refused(reason, session_id=token.session_id, detail=f"{reason.text} client {token.client_id}")
            catalogue = apis.read(connection)
        owned = {name for name, scope in catalogue.scopes.items() if scope.audience == audience}
        scopes = frozenset(str(token.claims.get("scope", "")).split()) & standing.client.scopes & owned
        session = standing.session
        if session is None:
            return Bearer(token.client_id, None, None, scopes)
        open_to_user = catalogue.open_to(scopes & session.scopes, session.roles)
        return Bearer(token.client_id, session.user_id, session.id, open_to_user)
