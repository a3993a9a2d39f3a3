"""GET and DELETE /sessions: users see and end their own sessions from within an app.

The access token needs the scope `sessions`. It is sent in the Authorization header. A client with both tokens in
cookies sends it in its cookie: then `client_id` in the query names the client, and only a page of its origin may ask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from authserver.apis.own_sessions import AUDIENCE, SCOPE
from authserver.clients import store as clients
from authserver.clients.model import Client
from authserver.database.failures import Unavailable
from authserver.database.times import iso_of
from authserver.oauth.endpoints.base import Context, Endpoint
from authserver.oauth.messages import Answer, HttpRequest
from authserver.oauth.server import OAuthServer
from authserver.refusals.exceptions import Refused, TryLater
from authserver.refusals.reasons import Reason
from authserver.sessions import ending, listing
from authserver.sessions.model import End, SessionRecord
from authserver.sessions.values import expires_at
from authserver.web_apps import cors
from authserver.web_apps.cookies import read_cookie

#: The most sessions in the list. A user with more sessions can end them all at once.
_MOST = 500


@dataclass(frozen=True, slots=True)
class _Holder:
    """The user who asks, and the session of the token."""

    user_id: UUID
    session_id: UUID
    actor: str


Act = Callable[[OAuthServer, HttpRequest, _Holder], Answer]


def _all(context: Context, request: HttpRequest) -> Answer:
    return _answer(context.server, request, _list if request.method == "GET" else _end_many)


def _one(context: Context, request: HttpRequest) -> Answer:
    return _answer(context.server, request, _end_one)


def _answer(server: OAuthServer, request: HttpRequest, act: Act) -> Answer:
    client: Client | None = None
    try:
        bearer = server.services.bearer_tokens.accept(_credential(server, request), AUDIENCE, alone=False)
        client = server.services.clients.find(bearer.client_id)
        if SCOPE not in bearer.scopes or bearer.user_id is None or bearer.session_id is None:
            raise Refused(Reason.ACCESS_TOKEN_SCOPE, session_id=bearer.session_id)
        answer = act(server, request, _Holder(bearer.user_id, bearer.session_id, bearer.actor))
    except (Refused, TryLater, *Unavailable) as error:
        answer = server.refused(server.refusals.translate(error))
    # A page must be able to read a refusal: otherwise it looks like a network failure.
    answer.headers.extend(cors.headers_for(request.origin, client or _named_client(server, request)))
    return answer


def _credential(server: OAuthServer, request: HttpRequest) -> str | None:
    """The Authorization header, or one made from the cookie."""
    client, header = _named_client(server, request), request.fields.get
    if client is None or client.token_delivery != "both_cookies" or header("Authorization") is not None:
        return header("Authorization")
    jar = server.services.cookies
    if request.method != "GET" or request.origin is not None:  # a page that reads its own origin sends no Origin
        jar.check_origin(client, header)
    token = read_cookie(header("Cookie"), jar.access_name(client))
    return None if token is None else f"Bearer {token}"


def _named_client(server: OAuthServer, request: HttpRequest) -> Client | None:
    return server.services.clients.find(request.query_parameter("client_id"))


def _list(server: OAuthServer, _request: HttpRequest, holder: _Holder) -> Answer:
    database = server.services.database
    rows = listing.list_sessions(database, user_id=holder.user_id, limit=_MOST)
    with database.autocommit() as connection:
        names = clients.names_of(connection, {row.client_id for row in rows})
    body = {"sessions": [_as_json(row, names, holder.session_id) for row in rows]}
    return server.handle_response(200, body, [])


def _as_json(row: SessionRecord, names: dict[str, str], own: UUID) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "current": row.id == own,
        "client_id": row.client_id,
        "client_name": names.get(row.client_id),
        "device_name": row.device_name,
        "created_at": iso_of(row.created_at, "seconds"),
        "last_used_at": iso_of(row.last_used_at, "seconds"),
        "expires_at": iso_of(expires_at(row), "seconds"),
        "address": row.last_address,
        "user_agent": row.last_user_agent,
    }


def _end_one(server: OAuthServer, request: HttpRequest, holder: _Holder) -> Answer:
    try:
        wanted = UUID(request.path_arguments["session_id"])
    except ValueError:
        raise Refused(Reason.SESSION_NOT_OWN, session_id=holder.session_id) from None
    row = listing.find_session(server.services.database, wanted)
    if row is None or row.user_id != holder.user_id:  # another user's session must look unknown
        raise Refused(Reason.SESSION_NOT_OWN, session_id=holder.session_id)
    with server.services.database.transaction() as connection:
        ending.end_session(connection, wanted, End.SIGNED_OUT, actor=holder.actor, caller=request.caller)
    return server.handle_response(204, "", [])


def _end_many(server: OAuthServer, request: HttpRequest, holder: _Holder) -> Answer:
    """End all other sessions; with `all=true` also the one of the token."""
    everything = request.query_parameter("all")
    if everything not in ("", "true", "false"):
        raise Refused(Reason.BAD_PARAMETER, about="all: true or false")
    kept = None if everything == "true" else holder.session_id
    with server.services.database.transaction() as connection:
        ending.end_sessions_of_user(
            connection, holder.user_id, End.SIGNED_OUT, actor=holder.actor, caller=request.caller, all_but=kept
        )
    return server.handle_response(204, "", [])


ALL = Endpoint("sessions", "/sessions", ("GET", "DELETE"), _all, cross_origin="registered")
ONE = Endpoint("session", "/sessions/<session_id>", ("DELETE",), _one, cross_origin="registered")
