"""client_credentials grant: a client's own token (RFC 6749 section 4.4). No session, no refresh token, no statement."""

from __future__ import annotations

from typing import Any

from authserver.clients.model import Client
from authserver.oauth.grants.base import TokenGrant, response
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.tokens import scopes
from authserver.tokens.scopes import Access


class ClientCredentialsGrant(TokenGrant):
    GRANT_TYPE = "client_credentials"
    _access: Access

    def validate_token_request(self, client: Client) -> None:
        if client.is_public:  # it has no secret and proves nothing; registration refuses this too
            raise Refused(Reason.GRANT_NOT_ALLOWED)
        super().validate_token_request(client)
        self._access = scopes.of_client(client, self.asked, self.services.catalogue.current(), self.services.issuer)

    def create_token_response(self) -> dict[str, Any]:
        client, catalogue = self.request.client, self.services.catalogue.current()
        token = self.services.access_tokens.for_client(client, self._access, catalogue, self.request.received_at)
        return response(self.that_arrives(token), self._access)


GRANT = ClientCredentialsGrant
