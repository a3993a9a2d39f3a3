"""The pipeline of every request: token and scope, strict reading, precondition, act, answer. No route skips a step."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Response, request

from authserver.admin_api import idempotency, problems
from authserver.admin_api.idempotency import Attempt
from authserver.admin_api.problems import FieldProblem, Problem
from authserver.admin_api.reading import read_document, read_query, read_raw
from authserver.admin_api.route import PREFIX, Document, Route, Text, Versioned
from authserver.administration.context import Administration, AdminResources
from authserver.administration.errors import AdminError, Stale
from authserver.apis.administration import AUDIENCE
from authserver.database.engine import Database
from authserver.database.failures import Unavailable, reason_of
from authserver.oauth.errors import Refusals
from authserver.oauth.messages import tags_in
from authserver.pages.pages import caller
from authserver.passwords.hasher import HashingOverloaded
from authserver.refusals.exceptions import Refused, TryLater
from authserver.refusals.reasons import Reason
from authserver.settings.model import Settings
from authserver.tokens.bearer import Bearer, BearerTokens

_log = structlog.get_logger("authserver.admin.api")

_BUSY_SECONDS = 1


@dataclass(frozen=True, slots=True)
class AdminApi:
    """Serves the requests of all routes."""

    settings: Settings
    database: Database
    resources: AdminResources
    bearer_tokens: BearerTokens
    refusals: Refusals

    def view(self, route: Route) -> Callable[..., Response]:
        """The Flask view of a route."""

        def view(**path: str) -> Response:
            try:
                return self._serve(route, path)
            except Exception as error:  # noqa: BLE001 - a program gets a problem for any error
                return self.answer(error, route.fields)

        return view

    def answer(self, error: Exception, fields: Mapping[str, str] | None = None) -> Response:
        """Answer any error with a problem. `fields` maps the fields that rules name to members of the body."""
        match error:
            case Problem():
                problem = error
            case AdminError():
                problem = problems.refusal(error, fields or {})
            case HashingOverloaded():
                problem = self._busy("Too many passwords are being set just now. Try again.", Reason.HASHING_OVERLOADED)
            case TryLater():
                problem = self._busy("The server cannot tell yet. Try again.", error.reason)
            case _ if isinstance(error, Unavailable):  # a tuple of types
                problem = self._busy("The database did not answer. Try again.", reason_of(error), error)
            case _:
                reference = self.refusals.note(Refused(Reason.INTERNAL))
                _log.exception("failed", reference=reference, exc_info=error)
                problem = Problem(problems.FAILED, "The reference stands in the server's log.", reference=reference)
        return problem.response()

    def _serve(self, route: Route, path: dict[str, str]) -> Response:
        bearer = self._authorised(route)
        actor, scopes = ("", frozenset[str]()) if bearer is None else (bearer.actor, bearer.scopes)
        admin = Administration(
            self.database, self.settings, actor, authority=scopes, caller=caller(), resources=self.resources
        )
        for name, value in path.items():
            if "\0" in value:
                raise Problem(problems.NOT_FOUND, f"There is no such {name}.")
        arguments: dict[str, Any] = dict(path)
        query = read_query(route.query)
        if query is not None:
            arguments["query"] = query
        body = read_raw(route) if route.takes_body else b""
        if route.takes_content:
            arguments["content"] = body
        elif route.body is not None:
            arguments["body"] = read_document(body, route.body)
        _demand_precondition(admin, route)
        key = request.headers.get(idempotency.HEADER) if route.idempotent else None
        attempt = None
        if key is not None:
            attempt = Attempt.of(key, actor, route.operation_id, request.full_path, body)
            if (kept := idempotency.answered(admin, attempt)) is not None:
                return kept
        if route.prepare is not None:
            arguments["prepared"] = route.prepare(admin, **arguments)

        def act() -> Response:
            return _response(route, route.handler(admin, **arguments))

        return act() if attempt is None else idempotency.once(admin, attempt, act)

    def _authorised(self, route: Route) -> Bearer | None:
        """Check the access token. Only the header counts (RFC 6750 section 2.1): no cookie, no form, no query.

        Raises:
            Problem: the token is refused; with the challenge of RFC 6750 section 3.
        """
        if route.scope is None:
            return None
        try:
            bearer = self.bearer_tokens.accept(request.headers.get("Authorization"), AUDIENCE)
            if route.scope not in bearer.scopes:
                raise Refused(Reason.ACCESS_TOKEN_SCOPE, session_id=bearer.session_id)
        except Refused as refusal:
            reference = self.refusals.note(refusal)
            raise _challenge(route.scope, refusal.reason, reference) from None
        return bearer

    def _busy(self, detail: str, reason: Reason, error: Exception | None = None) -> Problem:
        reference = self.refusals.note(Refused(reason, detail="" if error is None else type(error).__name__))
        headers = {"Retry-After": str(_BUSY_SECONDS)}
        return Problem(problems.UNAVAILABLE, detail, headers=headers, reference=reference)


def _challenge(scope: str, reason: Reason, reference: str) -> Problem:
    realm = f'Bearer realm="{PREFIX}"'
    if reason is Reason.ACCESS_TOKEN_MISSING:
        detail = f"Send an access token for the audience {AUDIENCE} in the header Authorization: Bearer …"
        return Problem(problems.NO_TOKEN, detail, headers={"WWW-Authenticate": realm}, reference=reference)
    if reason is Reason.ACCESS_TOKEN_SCOPE:
        challenge = f'{realm}, error="insufficient_scope", scope="{scope}"'
        detail = f"This needs the scope {scope}. The token lacks it, or its client or user has lost it."
        return Problem(problems.FORBIDDEN, detail, headers={"WWW-Authenticate": challenge}, reference=reference)
    challenge = f'{realm}, error="invalid_token", error_description="The access token is invalid or has ended."'
    detail = "The access token is invalid, has expired or ended, or is not for this audience alone. Ask for a new one."
    return Problem(problems.NO_TOKEN, detail, headers={"WWW-Authenticate": challenge}, reference=reference)


def _demand_precondition(admin: Administration, route: Route) -> None:
    """Let the use case compare If-Match with the row that it has locked: an earlier look could miss a change."""
    represents, sent = route.represents, request.headers.get("If-Match")
    if represents is None or (sent is None and route.if_match == "optional"):
        return
    if sent is None:
        raise Problem(
            problems.NO_PRECONDITION,
            "Send If-Match with the ETag that you read, so that no change is lost, or * to overwrite any state.",
            [FieldProblem("is required", parameter="If-Match")],
        )
    if not sent.strip():
        wrong = FieldProblem("the ETag that you read, or *", parameter="If-Match")
        raise Problem(problems.MALFORMED, "If-Match is empty.", [wrong])
    wanted = tags_in(sent)

    def check(subject: Any) -> None:
        if not wanted.contains_weak(represents(subject).etag):
            raise Stale("Read it again, look at what has changed, and send your change with the new ETag.")

    admin.precondition = check


def _response(route: Route, made: Document | Text | None) -> Response:
    headers, body = {"Cache-Control": "no-store"}, ""
    if isinstance(made, Text):
        headers, body = {**headers, **made.headers}, made.text
    elif made is not None:
        body = json.dumps(made.model_dump(mode="json"), ensure_ascii=False)
    if route.location:
        headers["Location"] = f"{request.path}/{getattr(made, route.location)}"
    if isinstance(made, Versioned):
        headers["ETag"] = f'"{made.etag}"'
    response = Response(body, route.status, headers, content_type=route.content_type)
    if made is None:
        del response.headers["Content-Type"]
    return response
