"""client_credentials grant: a client's own token (RFC 6749 section 4.4). No session, no refresh token, no statement."""

from __future__ import annotations

from authserver.oauth.grants.base import TokenGrant, TokenResponse, response
from authserver.refusals import Reason, Refused
from authserver.tokens import scopes


class ClientCredentialsGrant(TokenGrant):
    GRANT_TYPE = "client_credentials"

    def validate_token_request(self) -> None:
        if self.request.client.is_public:  # registration refuses this too; a client without a secret proves nothing
            raise Refused(Reason.GRANT_NOT_ALLOWED)
        super().validate_token_request()

    def create_token_response(self) -> TokenResponse:
        access = self.resolve(
            lambda client, catalogue: scopes.of_client(client, self.asked, catalogue, self.domain.issuer)
        )
        catalogue = self.domain.catalogue.current()
        token = self.domain.access_tokens.for_client(self.request.client, access, catalogue, self.request.received_at)
        return 200, response(token, access), []
