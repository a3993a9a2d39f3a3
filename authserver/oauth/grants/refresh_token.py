"""refresh_token grant: trade the current refresh token for its successor (RFC 6749 section 6, RFC 8707 section 2.2)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from authserver.apis.model import Catalogue
from authserver.clients.model import Client
from authserver.oauth.grants.base import TokenGrant
from authserver.records.activity import REFRESH
from authserver.records.metrics import ROTATIONS
from authserver.refusals.exceptions import Refused, TryLater
from authserver.refusals.reasons import Reason
from authserver.sessions.values import Refreshed, Session
from authserver.tokens import scopes
from authserver.tokens.scopes import Access

_COUNTED = {Reason.TOKEN_REUSED: "reused", Reason.SESSION_FROM_THE_FUTURE: "from_the_future"}


class RefreshTokenGrant(TokenGrant):
    GRANT_TYPE = "refresh_token"
    _checked: Access | None = None
    _presented: str

    def validate_token_request(self, client: Client) -> None:
        super().validate_token_request(client)
        token = self.server.presented_token(self.request, client, "refresh_token")
        if token is None and client.uses_cookies:
            raise Refused(Reason.NO_COOKIE)
        self._presented = token or self.request.need("refresh_token")

    def create_token_response(self) -> dict[str, Any]:
        refreshed = self._refresh()
        access = self._access(refreshed.session, refreshed.client)
        # The rotation is committed before signing: if the process dies here, a retry gets the same successor.
        return self.session_response(refreshed, refreshed.client, access)

    def _refresh(self) -> Refreshed:
        # Only a request that narrows the access can be refused by its scopes. Other requests need one statement.
        check = self._check if self.asked.anything else None
        request = self.request
        try:
            refreshed = self.services.rotation.refresh(self._presented, request.client, request.caller, check)
        except (Refused, TryLater) as refusal:
            if refusal.reason in _COUNTED:
                self._count(_COUNTED[refusal.reason])
            raise
        self._count(refreshed.outcome.value)
        return refreshed

    def _count(self, outcome: str) -> None:
        ROTATIONS.labels(outcome).inc()
        self.services.activity.count(REFRESH + outcome)

    def _check(self, connection: Connection, session: Session, client: Client) -> None:
        try:
            self._checked = self._resolve(session, client, self.services.catalogue.current(connection))
        except Refused as refusal:
            refusal.session_id = session.id
            raise

    def _access(self, session: Session, client: Client) -> Access:
        # Use the access that the transaction was committed with: a second check might refuse it now.
        access = self._checked or self._resolve(session, client, self.services.catalogue.current())
        if self.asked.scopes is None and access.scopes != session.scopes:
            # An administrator has narrowed the scopes, or this node does not know a new API yet. So read both afresh.
            # Everything except the scopes still follows the copy that moved the session.
            present = self.services.clients.find_afresh(client.client_id)
            usable = client if present is None or not present.enabled else present
            access = self._resolve(session, usable, self.services.catalogue.refresh())
        return access

    def _resolve(self, session: Session, client: Client, catalogue: Catalogue) -> Access:
        granted = Access(session.scopes, session.audiences)
        return scopes.of_refresh(client, self.asked, granted, session.roles, catalogue)


GRANT = RefreshTokenGrant
