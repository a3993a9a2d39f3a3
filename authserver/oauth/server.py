"""Authlib's authorization server, with stricter rules than its defaults.

The pipeline of every request is here, so that no grant or endpoint can forget a step: read strictly, find the grant,
authenticate the client once, check that it may use the grant, run it, and turn every refusal into one kind of answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from authlib.oauth2.rfc6749 import AuthorizationServer, UnsupportedGrantTypeError

from authserver.apis.store import CatalogueCache
from authserver.clients import authentication
from authserver.clients.authentication.presented import Presented
from authserver.clients.grants import GRANTS
from authserver.clients.model import Client
from authserver.clients.registry import ClientRegistry
from authserver.database.engine import Database
from authserver.database.failures import Unavailable
from authserver.oauth.errors import Refusals, RefusedRequest
from authserver.oauth.messages import Answer, Headers, HttpRequest
from authserver.oauth.request import TokenRequest
from authserver.records.activity import Activity
from authserver.records.audit import Entry, Event
from authserver.records.metrics import REQUESTS
from authserver.records.refusals import RefusalRecorder
from authserver.refusals.exceptions import Refused, TryLater, named
from authserver.refusals.reasons import Reason
from authserver.sessions.opening import Opening
from authserver.sessions.rotation import Rotation
from authserver.sign_in.password import PasswordCheck
from authserver.throttling.throttle import Throttle, Throttled
from authserver.tokens.access_token import AccessTokens
from authserver.tokens.bearer import BearerTokens
from authserver.tokens.introspection import Introspection
from authserver.tokens.status_list import StatusLists
from authserver.web_apps import cors
from authserver.web_apps.cookies import CookieJar, read_cookie

_log = structlog.get_logger("authserver.errors")

#: No cache may keep an answer that has or refuses a token (RFC 6749 section 5.1).
JSON_NO_STORE = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache")]

#: Reasons that may come from an old copy of a client or of the APIs: the request may be allowed by now.
_MAY_BE_STALE = frozenset(
    {Reason.ORIGIN_NOT_ALLOWED, Reason.GRANT_NOT_ALLOWED, Reason.SCOPE_NOT_ALLOWED, Reason.RESOURCE_UNKNOWN}
)

#: Methods that the text of a 405 leaves out, because no client needs them.
_UNSAID = frozenset({"HEAD", "OPTIONS"})

#: May refuse a client by raising `Refused`. It is called twice if the first copy of the client may be too old.
Admit = Callable[[Client], None]


@dataclass(frozen=True, slots=True)
class Services:
    """What grants and endpoints work with."""

    issuer: str
    database: Database
    clients: ClientRegistry
    catalogue: CatalogueCache
    passwords: PasswordCheck
    throttle: Throttle
    opening: Opening
    rotation: Rotation
    access_tokens: AccessTokens
    status_lists: StatusLists
    introspection: Introspection
    audit: RefusalRecorder
    activity: Activity
    cookies: CookieJar
    bearer_tokens: BearerTokens


class OAuthServer(AuthorizationServer):  # type: ignore[misc]  # Authlib has no types
    """Runs the requests of clients. Safe for threads: the state of a request is in the request."""

    def __init__(self, services: Services, refusals: Refusals, grants: Sequence[type]) -> None:
        super().__init__()
        self.services = services
        self.refusals = refusals
        for grant in grants:
            self.register_grant(grant)

    def create_token_response(self, request: HttpRequest) -> Answer:
        """Answer a token request."""

        def run(token_request: TokenRequest) -> Answer:
            token_request.need("grant_type")
            try:
                grant = self.get_token_grant(token_request)
            except UnsupportedGrantTypeError:
                raise Refused(Reason.UNKNOWN_GRANT, about=named([token_request.form["grant_type"]])) from None

            def admit(client: Client) -> None:
                if grant.GRANT_TYPE not in client.grants:
                    raise Refused(Reason.GRANT_NOT_ALLOWED)
                grant.validate_token_request(client)

            self.authenticate(token_request, admit)
            body = grant.create_token_response()
            cookies = self._move_tokens_to_cookies(token_request.client, body)
            return self.handle_response(200, body, cookies)

        return self.answer("token", request, run)

    def answer(self, endpoint: str, request: HttpRequest, run: Callable[[TokenRequest], Answer]) -> Answer:
        """Read a request strictly, run it, answer its refusal, count it. For every endpoint where clients authenticate."""
        grant, outcome = "none", "server_error"
        token_request: TokenRequest | None = None
        try:
            token_request = TokenRequest(request)
            if endpoint == "token" and token_request.form.get("grant_type") in GRANTS:
                grant = token_request.form["grant_type"]
            answer = run(token_request)
            outcome = "ok"
        except (Refused, TryLater, *Unavailable) as error:
            client_id = getattr(token_request, "presented_client_id", None)
            basic = request.fields.get("Authorization") is not None
            client = getattr(token_request, "client", None)
            window = client.retry_window if client is not None and grant == "refresh_token" else None
            refused = self.refusals.translate(error, client_id=client_id, basic=basic, window=window)
            answer, outcome = self.refused(refused), refused.error
        finally:
            REQUESTS.labels(endpoint, grant, outcome).inc()
        answer.headers.extend(cors.headers_for(request.origin, getattr(token_request, "client", None)))
        return answer

    def authenticate(self, request: TokenRequest, admit: Admit | None = None) -> None:
        """Authenticate the client by the one method that the request presents, and set it for the whole request.

        If the origin or `admit` is the reason of a refusal, the cached copy may be too old: the client is read afresh,
        authenticated again and checked once more. So one copy of the client passes all checks, and an old secret
        never gets the rights of a newer copy.

        Raises:
            Refused: no client, two authentications, a failed authentication, a foreign origin, or by `admit`.
        """
        presented = authentication.read(request.authorization, request.form)
        request.presented_client_id = presented.client_id
        client = self._proved(request, presented)
        try:
            self._check(request, client, admit)
        except Refused as refusal:
            if refusal.reason not in _MAY_BE_STALE:
                raise
            self.services.catalogue.refresh()
            client = self._proved(request, presented, afresh=True)
            self._check(request, client, admit)
        finally:
            request.client = client  # also after a refusal, so that a page of its origin can read why

    def presented_token(self, request: TokenRequest, client: Client, parameter: str) -> str | None:
        """The token of a request: a parameter of the body or, for a client with cookies, its cookie.

        A client that was switched to cookies may still hold a token from an earlier body, and sends it once.

        Raises:
            Refused: the request has both.
        """
        body = request.form.get(parameter)
        if not client.uses_cookies:
            return body
        cookie = read_cookie(request.headers.get("Cookie"), self.services.cookies.refresh_name(client))
        if cookie is not None and body is not None:
            raise Refused(Reason.TWO_TOKENS)
        return cookie or body

    def handle_response(self, status: int, body: dict[str, Any] | str, headers: Headers) -> Answer:
        """Make a response that no cache may keep. A dict is sent as JSON."""
        text = json.dumps(body) if isinstance(body, dict) else body
        given = {name for name, _ in headers}
        return Answer(status, text, [*(field for field in JSON_NO_STORE if field[0] not in given), *headers])

    def refused(self, error: RefusedRequest) -> Answer:
        """Make the answer to a refused request."""
        return self.handle_response(error.status_code, dict(error.get_body()), error.headers)

    def unavailable(self, error: Exception) -> Answer:
        """Make the answer for a database that is away, restarting, full or too slow."""
        return self.refused(self.refusals.translate(error))

    def turned_away(self, endpoint: str, grant: str, error: TryLater) -> Answer:
        """Make the answer to a request that is not read, because there is no room for it, and count it."""
        refusal = self.refusals.translate(error)
        REQUESTS.labels(endpoint, grant, refusal.error).inc()
        return self.refused(refusal)

    def failed(self, error: Exception) -> Answer:
        """Make the answer to a failure of the server itself, and log its traceback."""
        refusal = self.refusals.translate(Refused(Reason.INTERNAL))
        _log.error("failed", reference=refusal.reference, exc_info=error)
        return self.refused(refusal)

    def http_error(self, status: int, headers: Headers | None = None) -> Answer:
        """Make the answer to a bad HTTP request (404, 405, 406), in the form of an OAuth error.

        `headers` has the `Allow` of a 405, which the text names too.
        """
        text = f"{HTTPStatus(status).phrase}."
        if status == HTTPStatus.NOT_FOUND:
            text = "No endpoint has this address, and none ends in a slash. The metadata document has all addresses."
        for _, methods in headers or []:
            allowed = sorted(set(methods.split(", ")) - _UNSAID)
            text = f"This address takes {' or '.join(allowed)} only."
            if allowed == ["POST"]:
                text += " Send the parameters in the body."
        return self.handle_response(status, {"error": "invalid_request", "error_description": text}, headers or [])

    def _proved(self, request: TokenRequest, presented: Presented, *, afresh: bool = False) -> Client:
        """Authenticate the client. Count a failure, record it at a bounded rate, and name only a known client."""
        services = self.services
        try:
            return authentication.authenticate(services.clients, presented, afresh=afresh)
        except Refused as refused:
            refusal = self._counted(refused, presented, request)
            known = services.clients.find(presented.client_id)
            entry = Entry(
                Event.CLIENT_REFUSED,
                "server",
                client_id=None if known is None else known.client_id,
                caller=request.caller,
                detail={"reason": refusal.reason.name.lower()},
            )
            services.audit.record(entry.refused(self.refusals.reference(refusal, presented.client_id)))
            raise refusal from None

    def _counted(self, refused: Refused, presented: Presented, request: TokenRequest) -> Refused | Throttled:
        """Count a failure with a credential, of any client: an unknown one must not be told from a known one."""
        if presented.credential is not None:
            try:
                self.services.throttle.wrong_client(presented.client_id, request.caller.address)
            except Throttled as throttled:
                return throttled
        return refused

    def _check(self, request: TokenRequest, client: Client, admit: Admit | None) -> None:
        if client.uses_cookies:
            self.services.cookies.check_origin(client, request.headers.get)
        if admit is not None:
            admit(client)

    def _move_tokens_to_cookies(self, client: Client, body: dict[str, Any]) -> Headers:
        """Move tokens that the client's pages must not see into cookies. A cookie lives as long as its token."""
        headers, jar = [], self.services.cookies
        if client.uses_cookies and "refresh_token" in body:
            token, lifetime = body.pop("refresh_token"), body["refresh_token_expires_in"]
            headers.append(("Set-Cookie", jar.set(jar.refresh_name(client), token, lifetime)))
        if client.token_delivery == "both_cookies":
            cookie = jar.set(jar.access_name(client), body.pop("access_token"), body["expires_in"])
            headers.append(("Set-Cookie", cookie))
        return headers
