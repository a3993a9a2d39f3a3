"""POST /revoke: a client signs its user out (RFC 7009).

An access token or refresh token of a session ends the session. A client's own token ends all its own tokens: they
share a status index, because no row is stored for each.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from authserver.clients import store as clients
from authserver.clients.authentication import METHODS
from authserver.oauth.endpoints.base import Context, Endpoint
from authserver.oauth.messages import Answer, HttpRequest
from authserver.oauth.request import TokenRequest
from authserver.oauth.server import Services
from authserver.records import audit
from authserver.records.activity import SIGN_OUT
from authserver.records.audit import Event
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.sessions import ending, store
from authserver.sessions.model import End


def _answer(context: Context, request: HttpRequest) -> Answer:
    def run(token_request: TokenRequest) -> Answer:
        server = context.server
        server.authenticate(token_request)
        client, jar = token_request.client, server.services.cookies
        token = server.presented_token(token_request, client, "token")
        if client.uses_cookies:
            # Answer 200 and clear the cookies, even if there was no cookie.
            if token is not None:
                _revoke(server.services, token_request, token)
            names = (jar.refresh_name(client), jar.access_name(client))
            return server.handle_response(200, {}, [("Set-Cookie", jar.set(name, "", 0)) for name in names])
        _revoke(server.services, token_request, token or token_request.need("token"))
        return server.handle_response(200, {}, [])

    return context.server.answer("revoke", request, run)


def _revoke(services: Services, token_request: TokenRequest, text: str) -> None:
    """End the session of a token. A token that this server did not make is ignored (RFC 7009 section 2.2).

    `token_type_hint` is not read, because a token's form shows its type.
    """
    try:
        token, leaked = services.rotation.genuine(text)
    except Refused:
        own = services.access_tokens.recognise(text)
        if own is None:
            return
        if own.client_id != token_request.client.client_id:
            raise Refused(Reason.TOKEN_OF_OTHER_CLIENT, session_id=own.session_id) from None
        if own.session_id is not None:
            _end(services, token_request, own.session_id, None)
        elif own.status_index is not None:
            _end_own(services, token_request, own.status_index)
        return
    # A token of any generation is accepted, so that a client that lost an answer can still sign out. An attacker can
    # make tags under a leaked key, so for such a token the secret has to match too.
    _end(services, token_request, token.session_id, token.digest if leaked else None)


def _end(services: Services, token_request: TokenRequest, session_id: UUID, presented: bytes | None) -> None:
    client = token_request.client
    with services.database.transaction() as connection:
        ended = ending.end_session(
            connection,
            session_id,
            End.SIGNED_OUT,
            actor=f"client:{client.client_id}",
            client_id=client.client_id,
            presented=presented,
            caller=token_request.caller,
        )
        row = None if ended else store.read(connection, session_id)
    if ended:
        services.activity.count(SIGN_OUT)
    if row is not None and row.client_id != client.client_id:
        raise Refused(Reason.TOKEN_OF_OTHER_CLIENT, session_id=session_id)


def _end_own(services: Services, token_request: TokenRequest, status_index: int) -> None:
    client_id = token_request.client.client_id
    with services.database.transaction() as connection:
        if clients.end_own_tokens(connection, client_id, seen_index=status_index):
            entry = audit.Entry(
                Event.CLIENT_TOKENS_ENDED, f"client:{client_id}", client_id=client_id, caller=token_request.caller
            )
            audit.record(connection, entry)


def _more_metadata(_context: Context) -> dict[str, Any]:
    return {"revocation_endpoint_auth_methods_supported": list(METHODS)}


ENDPOINT = Endpoint(
    "revoke",
    "/revoke",
    ("POST",),
    _answer,
    "revocation_endpoint",
    more_metadata=_more_metadata,
    cross_origin="registered",
)
