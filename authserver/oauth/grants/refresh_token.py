"""refresh_token grant: trade the current refresh token for its successor (RFC 6749 section 6, RFC 8707 section 2.2)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from authserver.apis.model import Catalogue
from authserver.clients.model import Client
from authserver.keys.keyring import Snapshot
from authserver.oauth.grants.base import TokenGrant
from authserver.records.activity import REFRESH
from authserver.records.metrics import ROTATIONS
from authserver.refusals.exceptions import Refused, TryLater
from authserver.refusals.reasons import Reason
from authserver.sessions.model import SessionRecord
from authserver.sessions.values import Refreshed, Session
from authserver.tokens import scopes
from authserver.tokens.access_token import AccessToken, room
from authserver.tokens.scopes import Access

_COUNTED = {Reason.TOKEN_REUSED: "reused", Reason.SESSION_FROM_THE_FUTURE: "from_the_future"}


class RefreshTokenGrant(TokenGrant):
    GRANT_TYPE = "refresh_token"
    _checked: tuple[AccessToken, Access] | None = None
    _keys: Snapshot
    _presented: str

    def validate_token_request(self, client: Client) -> None:
        super().validate_token_request(client)
        token = self.server.presented_token(self.request, client, "refresh_token")
        if token is None and client.uses_cookies:
            raise Refused(Reason.NO_COOKIE)
        self._presented = token or self.request.need("refresh_token")

    def create_token_response(self) -> dict[str, Any]:
        self._keys = self.services.access_tokens.keys()
        refreshed = self._refresh()
        # The rotation is committed: if the process dies here, a retry gets the same successor.
        return self.session_response(refreshed, *self._newest_token(refreshed))

    def _refresh(self) -> Refreshed:
        # A request that narrows the access can be refused by its scopes, and a long token by its length. All others need
        # one statement. A word of a list takes two characters more in JSON than in the row, so at most twice as many.
        request = self.request
        unchecked = -1 if self.asked.anything else room(self.longest, self.services.issuer) // 2
        try:
            refreshed = self.services.rotation.refresh(
                self._presented, request.client, request.caller, self._check, unchecked
            )
        except (Refused, TryLater) as refusal:
            if refusal.reason in _COUNTED:
                self._count(_COUNTED[refusal.reason])
            raise
        self._count(refreshed.outcome.value)
        return refreshed

    def _count(self, outcome: str) -> None:
        ROTATIONS.labels(outcome).inc()
        self.services.activity.count(REFRESH + outcome)

    def _check(self, connection: Connection, session: SessionRecord, client: Client) -> None:
        catalogue = self.services.catalogue.current(connection)
        try:
            access = self._resolve(session, client, catalogue)
            self._checked = self.mint(session, client, access, catalogue, session.now, self._keys), access
        except Refused as refusal:
            refusal.session_id = session.id
            raise

    def _newest_token(self, refreshed: Refreshed) -> tuple[AccessToken, Access]:
        session, client, services = refreshed.session, refreshed.client, self.services
        # Use the access that the transaction was committed with: a second check might refuse it now.
        access = self._checked[1] if self._checked else self._resolve(session, client, services.catalogue.current())
        if self.asked.scopes is None and access.scopes != session.scopes:
            # An administrator has narrowed the scopes, or this node does not know a new API yet. So read both afresh.
            # Everything except the scopes still follows the copy that moved the session.
            present = services.clients.find_afresh(client.client_id)
            usable = client if present is None or not present.enabled else present
            access = self._resolve(session, usable, services.catalogue.refresh())
        if self._checked and self._checked[1] == access:
            return self._checked
        try:
            catalogue = services.catalogue.current()
            return self.mint(session, client, access, catalogue, refreshed.now, self._keys), access
        except Refused:  # with the scopes that were just read it is too long
            if self._checked is None:
                raise
            return self._checked

    def _resolve(self, session: Session, client: Client, catalogue: Catalogue) -> Access:
        granted = Access(session.scopes, session.audiences)
        return scopes.of_refresh(client, self.asked, granted, session.roles, catalogue)


GRANT = RefreshTokenGrant
