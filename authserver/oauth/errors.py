"""What the public is told: one constant text for each error, whatever the precise reason (RFC 6749 section 5.2).

The reason itself travels sealed in `reference`, and stands in the log beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from authlib.oauth2 import OAuth2Error

from authserver.clients.registry import CLIENT_ID
from authserver.oauth.request import TooLarge
from authserver.records.activity import REFUSAL, Activity
from authserver.records.metrics import REFUSALS
from authserver.refusals.reasons import Reason, Refused, TryLater
from authserver.refusals.references import References

_log = structlog.get_logger("authserver.refusals")

#: How long a client should wait before it tries again while the database does not answer, in seconds.
_DATABASE_RETRY_AFTER = 1


@dataclass(frozen=True, slots=True)
class Public:
    """An error code and its text."""

    error: str
    text: str
    status: int = 400


_REQUEST = Public("invalid_request", "The request is malformed.")
_MISSING = Public("invalid_request", "A required parameter is missing.")
_PARAMETER = Public("invalid_request", "A parameter has a value that it may not have.")
_CLIENT = Public("invalid_client", "Client authentication failed.")
_USER = Public("invalid_grant", "The user name or password is wrong.")
_TOKEN = Public("invalid_grant", "The refresh token is invalid, expired, revoked or was issued to another client.")
_TARGET = Public("invalid_target", "The resource is unknown, or may not be asked for here.")
_SCOPE = Public("invalid_scope", "The scope is invalid, unknown or may not be asked for here.")
_BEARER = Public("invalid_token", "The access token is missing, invalid, expired or not for this address.", 401)
_LATER = Public("temporarily_unavailable", "The server cannot answer now. Try again later.", 503)

_PUBLIC = {
    Reason.MALFORMED_REQUEST: _REQUEST,
    Reason.BAD_PARAMETER: _PARAMETER,
    Reason.MISSING_PARAMETER: _MISSING,
    Reason.TWO_AUTHENTICATIONS: Public("invalid_request", "More than one client authentication was sent."),
    Reason.UNKNOWN_GRANT: Public("unsupported_grant_type", "The grant type is not supported."),
    Reason.GRANT_NOT_ALLOWED: Public("unauthorized_client", "The client may not use this grant type."),
    Reason.SCOPE_OF_SEVERAL_APIS: Public(
        "invalid_scope", "The scopes belong to several APIs: send one resource parameter for each API of the token."
    ),
    Reason.SCOPE_NOT_OF_RESOURCE: Public("invalid_scope", "A scope does not belong to the requested resource."),
    Reason.RESOURCE_UNKNOWN: _TARGET,
    Reason.RESOURCE_BEYOND_SESSION: _TARGET,
    Reason.ORIGIN_NOT_ALLOWED: Public("invalid_request", "The request comes from an origin that may not send it.", 403),
    Reason.SESSION_NOT_OWN: Public("invalid_request", "There is no such session.", 404),
    Reason.ACCESS_TOKEN_SCOPE: Public("insufficient_scope", "The access token lacks the scope `sessions`.", 403),
    **dict.fromkeys(
        (
            Reason.ACCESS_TOKEN_MISSING,
            Reason.ACCESS_TOKEN_INVALID,
            Reason.ACCESS_TOKEN_EXPIRED,
            Reason.ACCESS_TOKEN_ENDED,
            Reason.ACCESS_TOKEN_AUDIENCE,
        ),
        _BEARER,
    ),
    Reason.HASHING_OVERLOADED: _LATER,
    Reason.SESSION_FROM_THE_FUTURE: _LATER,
    Reason.DATABASE_UNAVAILABLE: _LATER,
    Reason.INTERNAL: Public("server_error", "The server failed.", 500),
    **dict.fromkeys(
        (Reason.SCOPE_SYNTAX, Reason.SCOPE_NOT_ALLOWED, Reason.SCOPE_NEEDS_ROLE, Reason.SCOPE_BEYOND_SESSION), _SCOPE
    ),
    **dict.fromkeys(
        (
            Reason.NO_CLIENT,
            Reason.UNKNOWN_CLIENT,
            Reason.CLIENT_DISABLED,
            Reason.METHOD_NOT_ALLOWED,
            Reason.WRONG_SECRET,
            Reason.EXPIRED_SECRET,
        ),
        _CLIENT,
    ),
    **dict.fromkeys((Reason.UNKNOWN_USER, Reason.WRONG_PASSWORD, Reason.USER_DISABLED, Reason.PASSWORD_CHANGED), _USER),
}


class RefusedRequest(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """An OAuth error with its reference, ready to be turned into a response."""

    def __init__(
        self, public: Public, reference: str, *, parameter: str = "", headers: dict[str, str] | None = None
    ) -> None:
        text = f"{public.text} ({parameter})" if parameter else public.text
        super().__init__(error=public.error, description=text, status_code=public.status)
        self.reference = reference
        self.extra_headers = headers or {}

    def get_body(self) -> list[tuple[str, Any]]:
        return [*super().get_body(), ("reference", self.reference)]

    def get_headers(self) -> list[tuple[str, str]]:
        return list(self.extra_headers.items())


class Refusals:
    """Turns domain refusals into OAuth errors: seals the reference, writes the log line, counts the reason."""

    def __init__(self, references: References, activity: Activity) -> None:
        self._references = references
        self._activity = activity

    def translate(
        self, refusal: Refused | TryLater, *, client_id: str | None = None, basic: bool = False
    ) -> RefusedRequest:
        """Make the OAuth error. `basic` says that the client tried HTTP authentication, which a 401 has to answer."""
        public = _PUBLIC.get(refusal.reason, _TOKEN)
        headers: dict[str, str] = {}
        if isinstance(refusal, TryLater):
            public = _PUBLIC.get(refusal.reason, _LATER) if refusal.reason is not Reason.INTERNAL else _LATER
            headers["Retry-After"] = str(refusal.retry_after)
        if isinstance(refusal, TooLarge):
            public = Public(public.error, "The request body is too large.", 413)
        if public is _CLIENT and basic:
            public = Public(public.error, public.text, 401)
            headers["WWW-Authenticate"] = 'Basic realm="authserver", charset="UTF-8"'
        if public.error in ("invalid_token", "insufficient_scope"):
            headers["WWW-Authenticate"] = _challenge(refusal.reason, public)
        reference = self.note(refusal, client_id)
        parameter = refusal.parameter if isinstance(refusal, Refused) else ""
        return RefusedRequest(public, reference, parameter=parameter, headers=headers)

    def unavailable(self, error: Exception, client_id: str | None = None) -> RefusedRequest:
        """The error for a database that is away, restarting, full, too slow or read-only."""
        cause = getattr(error, "orig", None) or error  # the driver's own name for it says more than SQLAlchemy's
        later = TryLater(Reason.DATABASE_UNAVAILABLE, retry_after=_DATABASE_RETRY_AFTER, detail=type(cause).__name__)
        return self.translate(later, client_id=client_id)

    def unexpected(self) -> RefusedRequest:
        """The error for a failure of the server itself."""
        return RefusedRequest(_PUBLIC[Reason.INTERNAL], self.note(Refused(Reason.INTERNAL)))

    def reference(self, refusal: Refused | TryLater, client_id: str | None) -> str:
        """The reference that the caller will get, for whoever records the refusal before it is answered.

        A `client_id` that no client can have is left out: it may be a secret in the wrong field.
        """
        return self._references.of(refusal, _possible(client_id))

    def note(self, refusal: Refused | TryLater, client_id: str | None = None) -> str:
        """Write into the log what the refusal's reference says, beside it, and count the reason. Returns the reference."""
        reference = self.reference(refusal, client_id)
        reason = refusal.reason
        REFUSALS.labels(reason.name.lower()).inc()
        self._activity.count(REFUSAL + reason.name.lower())
        _log.info(
            "refused",
            reason=reason.name.lower(),
            client_id=_possible(client_id),
            session_id=None if refusal.session_id is None else str(refusal.session_id),
            detail=refusal.detail or reason.text,
            reference=reference,
        )
        return reference


def _possible(client_id: str | None) -> str | None:
    return client_id if client_id is not None and CLIENT_ID.fullmatch(client_id) else None


def _challenge(reason: Reason, public: Public) -> str:
    """RFC 6750 section 3: no error where nothing was presented, and the scope that would do."""
    if reason is Reason.ACCESS_TOKEN_MISSING:
        return 'Bearer realm="authserver"'
    scope = ', scope="sessions"' if reason is Reason.ACCESS_TOKEN_SCOPE else ""
    return (
        f'Bearer realm="authserver", error="{public.error}", error_description="{public.text.replace("`", "")}"{scope}'
    )
