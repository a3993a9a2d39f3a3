"""GET and DELETE /sessions: users see, and end, their own sessions from within an app (DESIGN section 4).

With an access token that has the scope `sessions`, in the Authorization header or, for a client with both tokens in
cookies, in its cookie: then `client_id` in the query says whose, and only a page of its origin may ask.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Response, request

from authserver.apis.own_sessions import AUDIENCE, SCOPE
from authserver.clients import store as clients
from authserver.clients.model import Client
from authserver.database.engine import Unavailable
from authserver.database.tables import AnyRow
from authserver.oauth.endpoints.base import Context, Endpoint, View
from authserver.oauth.errors import RefusedRequest
from authserver.oauth.request import caller_of
from authserver.oauth.server import OAuthServer
from authserver.refusals.exceptions import Refused, TryLater
from authserver.refusals.reasons import Reason
from authserver.sessions import ending, listing
from authserver.sessions.model import End
from authserver.sessions.values import expires_at
from authserver.tokens.bearer import Bearer
from authserver.web_apps import cors
from authserver.web_apps.cookies import read_cookie

#: More sessions than anybody has; who has more ends them all at once.
_MOST = 500


@dataclass(frozen=True, slots=True)
class _Holder:
    """The user who asks, and the session that they ask from."""

    user_id: UUID
    session_id: UUID
    actor: str


def _view(context: Context) -> View:
    def sessions() -> Response:
        act = _list if request.method == "GET" else _end_many
        return _answer(context.server, act)

    return sessions


def _one_view(context: Context) -> View:
    def session(session_id: str) -> Response:
        return _answer(context.server, lambda server, holder: _end_one(server, holder, session_id))

    return session


def _answer(server: OAuthServer, act: Callable[[OAuthServer, _Holder], Response]) -> Response:
    client: Client | None = None
    try:
        bearer = server.domain.bearer_tokens.accept(_credential(server), AUDIENCE, alone=False)
        client = server.domain.clients.find(bearer.client_id)
        response = act(server, _holder(bearer))
    except (Refused, TryLater) as refusal:
        error = server.refusals.translate(refusal)
        raise _readable(error, client or _named(server)) from refusal
    except Unavailable as broken:
        raise _readable(server.refusals.unavailable(broken), client or _named(server)) from broken
    response.headers.extend(cors.headers_for(request.headers.get("Origin"), client))
    return response


def _credential(server: OAuthServer) -> str | None:
    """The Authorization header, or what a cookie would have put there."""
    client = _named(server)
    if client is None or client.token_delivery != "both_cookies" or "Authorization" in request.headers:
        return request.headers.get("Authorization")
    jar = server.domain.cookies
    if request.method != "GET" or "Origin" in request.headers:  # a page sends none when it reads its own origin
        jar.check_origin(client, request.headers.get)
    token = read_cookie(request.headers.get("Cookie"), jar.access_name(client))
    return None if token is None else f"Bearer {token}"


def _named(server: OAuthServer) -> Client | None:
    return server.domain.clients.find(request.args.get("client_id", ""))


def _holder(bearer: Bearer) -> _Holder:
    if SCOPE not in bearer.scopes or bearer.user_id is None or bearer.session_id is None:
        raise Refused(Reason.ACCESS_TOKEN_SCOPE, session_id=bearer.session_id)
    return _Holder(bearer.user_id, bearer.session_id, bearer.actor)


def _readable(error: RefusedRequest, client: Client | None) -> RefusedRequest:
    """A page has to be able to read why, or it could not tell a refusal from a broken line."""
    error.extra_headers |= dict(cors.headers_for(request.headers.get("Origin"), client))
    return error


def _list(server: OAuthServer, holder: _Holder) -> Response:
    database = server.domain.database
    rows = listing.list_sessions(database, user_id=holder.user_id, limit=_MOST)
    with database.autocommit() as connection:
        names = clients.names_of(connection, {row.client_id for row in rows})
    body = {"sessions": [_shown(row, names, holder.session_id) for row in rows]}
    return server.handle_response(200, json.dumps(body), [])


def _shown(row: AnyRow, names: dict[str, str], own: UUID) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "current": row.id == own,
        "client_id": row.client_id,
        "client_name": names.get(row.client_id),
        "device_name": row.device_name,
        "created_at": _iso(row.created_at),
        "last_used_at": _iso(row.last_used_at),
        "expires_at": _iso(expires_at(row)),
        "address": row.last_address,
        "user_agent": row.last_user_agent,
    }


def _end_one(server: OAuthServer, holder: _Holder, session_id: str) -> Response:
    try:
        wanted = UUID(session_id)
    except ValueError:
        raise Refused(Reason.SESSION_NOT_OWN, session_id=holder.session_id) from None
    row = listing.find_session(server.domain.database, wanted)
    if row is None or row.user_id != holder.user_id:  # somebody else's is as unknown as none
        raise Refused(Reason.SESSION_NOT_OWN, session_id=holder.session_id)
    with server.domain.database.transaction() as connection:
        ending.end_session(connection, wanted, End.SIGNED_OUT, actor=holder.actor, caller=caller_of(request))
    return server.handle_response(204, "", [])


def _end_many(server: OAuthServer, holder: _Holder) -> Response:
    """All others; with `all=true` the own one too."""
    everything = request.args.get("all", "")
    if everything not in ("", "true", "false"):
        raise Refused(Reason.BAD_PARAMETER, parameter="all: true or false")
    kept = None if everything == "true" else holder.session_id
    with server.domain.database.transaction() as connection:
        ending.end_sessions_of_user(
            connection, holder.user_id, End.SIGNED_OUT, actor=holder.actor, caller=caller_of(request), all_but=kept
        )
    return server.handle_response(204, "", [])


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat().replace("+00:00", "Z")


ALL = Endpoint("sessions", "/sessions", ("GET", "DELETE"), _view, cross_origin=True)
ONE = Endpoint("session", "/sessions/<session_id>", ("DELETE",), _one_view, cross_origin=True)
