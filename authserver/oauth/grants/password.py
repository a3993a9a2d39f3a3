"""password grant: trade a user's name and password for a session (RFC 6749 section 4.3).

RFC 9700 section 2.4 forbids this grant. It is here for owners of both the app and the API, and it is off unless a
client is set to have it (docs/decisions/password-grant.md).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from authserver.clients.model import Client
from authserver.oauth.grants.base import TokenGrant
from authserver.records.activity import SIGN_IN
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.sessions import ending, store
from authserver.sessions.model import End, SessionRecord
from authserver.sessions.opening import Granted
from authserver.sessions.recognising import holder
from authserver.sessions.values import Opened, Session
from authserver.sign_in.devices import Device, with_session
from authserver.throttling.places import place_of
from authserver.tokens import scopes
from authserver.tokens.access_token import AccessToken
from authserver.tokens.scopes import Access
from authserver.web_apps.cookies import read_cookie

#: The parameter in which a confidential client tells its user's address, if it is set to (`sends_user_address`).
_USER_ADDRESS = "user_address"


class PasswordGrant(TokenGrant):
    GRANT_TYPE = "password"
    _token: AccessToken

    def validate_token_request(self, client: Client) -> None:
        super().validate_token_request(client)
        self.request.need("username")
        self.request.need("password")
        if client.sends_user_address and place_of(address := self.request.form.get(_USER_ADDRESS)) is None and address:
            raise Refused(Reason.BAD_PARAMETER, about=_USER_ADDRESS)
        # Refuse scopes that the client may not have before a password is hashed.
        scopes.requested(client, self.asked, self.services.catalogue.current())

    def create_token_response(self) -> dict[str, Any]:
        with self.services.passwords.admitted():
            opened = self._sign_in()
        self.services.activity.count(SIGN_IN)
        session = opened.session
        if self.request.client.uses_cookies:
            self._end_replaced(session)
        return self.session_response(opened, self._token, Access(session.scopes, session.audiences))

    def _sign_in(self) -> Opened:
        request, passwords = self.request, self.services.passwords
        client_id = request.client.client_id
        proof = passwords.sign_in(
            request.form["username"],
            request.form["password"],
            request.caller,
            address=self._user_address(),
            client_id=client_id,
            device=self._device(),
            code=request.form.get("sign_in_code", ""),
        )
        device_name, keys = request.form.get("device_name"), self.services.access_tokens.keys()

        def mint(connection: Connection, row: SessionRecord) -> None:
            access, catalogue = Access(row.scopes, row.audiences), self.services.catalogue.current(connection)
            self._token = self.mint(row, request.client, access, catalogue, row.now, keys)

        try:
            return self.services.opening.open(proof, request.client, request.caller, self._grant, mint, device_name)
        except Refused as refusal:
            passwords.record(refusal, proof.user_id, request.caller, client_id)
            raise

    def _user_address(self) -> str | None:
        """The user's address, where it can be known: all users of a confidential client have the client's address."""
        client = self.request.client
        if client.is_public:
            return self.request.caller.address
        return self.request.form.get(_USER_ADDRESS) if client.sends_user_address else None

    def _device(self) -> Device | None:
        """The app that still has a refresh token of its user. A wrong token is as good as none."""
        text, services = self.request.form.get("refresh_token"), self.services
        found = holder(services.database, services.rotation, text, self.request.client) if text else None
        return None if found is None else with_session(found.user_id, found.session_id)

    def _end_replaced(self, session: Session) -> None:
        """End the session whose cookie this sign-in replaces, if it belongs to another user.

        A late answer to the other user would put the old cookie back, and the new user's pages would use it. An old
        session of the same user stays: it is needed if the answer to this sign-in gets lost.
        """
        request, services = self.request, self.services
        try:
            cookie = read_cookie(request.headers.get("Cookie"), services.cookies.refresh_name(request.client))
            token, leaked = services.rotation.genuine(cookie or "")
        except Refused:
            return
        with services.database.transaction() as connection:
            replaced = store.read(connection, token.session_id)
            if replaced is not None and replaced.user_id != session.user_id:
                ending.end_session(
                    connection,
                    replaced.id,
                    End.SIGNED_OUT,
                    actor=f"client:{request.client.client_id}",
                    client_id=request.client.client_id,
                    presented=token.digest if leaked else None,
                    caller=request.caller,
                )

    def _grant(self, connection: Connection, roles: frozenset[str]) -> Granted:
        catalogue = self.services.catalogue.current(connection)
        access = scopes.of_user(self.request.client, self.asked, roles, catalogue, self.services.issuer)
        return Granted(access.scopes, access.audiences)


GRANT = PasswordGrant
