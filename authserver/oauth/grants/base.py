"""The parts that grants share: the requested scopes, and the token response (RFC 6749 section 5.1)."""

from __future__ import annotations

from typing import Any, ClassVar

from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from authserver.apis.model import Catalogue
from authserver.clients.model import Client
from authserver.keys.keyring import Snapshot
from authserver.oauth.request import TokenRequest
from authserver.oauth.server import OAuthServer, Services
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.sessions.values import Opened, Refreshed, Session, expires_at
from authserver.tokens.access_token import LONGEST, AccessToken
from authserver.tokens.scopes import Access, Asked, parse_scope


class TokenGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib has no types
    """The base of all grants. When it runs, the request is read, and the client is authenticated and may use the grant.

    A grant fills in `validate_token_request`, which makes all cheap checks, and `create_token_response`, which returns
    the members of the answer. The first gets the client as an argument. If it refuses and the copy may be too old, it
    runs again with a newer copy. Afterwards `request.client` is the copy that passed.
    """

    GRANT_TYPE: ClassVar[str]
    request: TokenRequest
    server: OAuthServer
    asked: Asked

    @property
    def services(self) -> Services:
        return self.server.services

    def validate_token_request(self, client: Client) -> None:  # noqa: ARG002 - for grants that extend this
        """Read the requested scopes and resources. Grants with more parameters extend this."""
        self.asked = Asked(parse_scope(self.request.form.get("scope")), self.request.resources)

    @property
    def longest(self) -> int:
        """The most characters of an access token that gets to the client."""
        client = self.request.client
        in_cookie = client.token_delivery == "both_cookies"
        return self.services.cookies.longest_access_token(client.client_id) if in_cookie else LONGEST

    def that_arrives(self, token: AccessToken) -> AccessToken:
        """Return the token.

        Raises:
            Refused: the browser would drop its cookie.
        """
        if len(token.text) > self.longest:
            raise Refused(Reason.ACCESS_COOKIE_TOO_LONG, detail=f"an access token of {len(token.text)} characters")
        return token

    def mint(
        self, session: Session, client: Client, access: Access, catalogue: Catalogue, now: int, keys: Snapshot
    ) -> AccessToken:
        """Sign an access token of a session. Call it in the transaction that opens or moves the session.

        Raises:
            Refused: it would be too long. Then the transaction must leave nothing behind.
        """
        tokens = self.services.access_tokens
        return self.that_arrives(tokens.for_session(session, client, access, catalogue, now, keys))

    @staticmethod
    def session_response(result: Opened | Refreshed, token: AccessToken, access: Access) -> dict[str, Any]:
        """The members of the answer."""
        session, body = result.session, response(token, access)
        if result.refresh_token is not None:
            body["refresh_token"] = result.refresh_token.encode()
            # In seconds, if it is not used before. The times of a session are in milliseconds.
            body["refresh_token_expires_in"] = (expires_at(session) - result.now) // 1000
        return body


def response(access_token: AccessToken, access: Access) -> dict[str, Any]:
    """The members of every token response. `scope` is always present."""
    return {
        "access_token": access_token.text,
        "token_type": "Bearer",
        "expires_in": access_token.expires_in,
        "scope": " ".join(sorted(access.scopes)),
    }
