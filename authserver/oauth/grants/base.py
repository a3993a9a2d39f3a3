"""The parts that grants share: the requested scopes, and the token response (RFC 6749 section 5.1)."""

from __future__ import annotations

from typing import Any, ClassVar

from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from authserver.clients.model import Client
from authserver.oauth.request import TokenRequest
from authserver.oauth.server import OAuthServer, Services
from authserver.sessions.values import Opened, Refreshed, expires_at
from authserver.tokens.access_token import AccessToken
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

    def session_response(self, result: Opened | Refreshed, client: Client, access: Access) -> dict[str, Any]:
        """Sign an access token of a session, and return the members of the answer."""
        session, catalogue = result.session, self.services.catalogue.current()
        token = self.services.access_tokens.for_session(session, client, access, catalogue, result.now)
        body = response(token, access)
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
