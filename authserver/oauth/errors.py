"""Refusals as OAuth errors (RFC 6749 section 5.2). `reference` has the sealed reason, and the log has both."""

from __future__ import annotations

from typing import Any

import structlog
from authlib.oauth2 import OAuth2Error

from authserver.clients.registry import CLIENT_ID
from authserver.database.failures import reason_of
from authserver.oauth.messages import Headers
from authserver.records.activity import REFUSAL, Activity
from authserver.records.metrics import REFUSALS
from authserver.refusals.exceptions import Refused, TryLater
from authserver.refusals.public import Public
from authserver.refusals.reasons import Reason
from authserver.refusals.references import References

_log = structlog.get_logger("authserver.refusals")

#: Seconds that a client should wait while the database does not answer.
_DATABASE_RETRY_AFTER = 1

#: The status of each public error; 400 for errors that are not listed.
_STATUS = {
    Public.TOO_LARGE: 413,
    Public.ORIGIN: 403,
    Public.SESSION: 404,
    Public.ACCESS_TOKEN: 401,
    Public.ACCESS_TOKEN_SCOPE: 403,
    Public.LATER: 503,
    Public.THROTTLED: 429,
    Public.SERVER: 500,
}


class RefusedRequest(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """An OAuth error with its reference and the headers of its answer."""

    def __init__(self, public: Public, reference: str, status: int, headers: Headers, about: str = "") -> None:
        text = f"{public.text} ({about})" if about else public.text
        super().__init__(error=public.error, description=text, status_code=status)
        self.reference = reference
        self.headers = headers

    def get_body(self) -> list[tuple[str, Any]]:
        return [*super().get_body(), ("reference", self.reference)]


class Refusals:
    """Turns refusals into OAuth errors: seals the reference, writes the log line, counts the reason."""

    def __init__(self, references: References, activity: Activity) -> None:
        self._references = references
        self._activity = activity

    def translate(
        self, error: Exception, *, client_id: str | None = None, basic: bool = False, window: int | None = None
    ) -> RefusedRequest:
        """Make the OAuth error for a refusal, or for a database that is away, restarting, full, too slow or read-only.

        `basic` says that the client tried HTTP authentication: the answer is 401 then. `window` has the seconds in which
        the client has to come back, because its refresh token may have been rotated.
        """
        refusal = error if isinstance(error, Refused | TryLater) else _database_unavailable(error)
        public = refusal.reason.public
        status = _STATUS.get(public, 400)
        headers: Headers = []
        if isinstance(refusal, TryLater):
            # At least 1: a client that is told to wait 0 seconds asks again and again.
            seconds = refusal.retry_after if not window else max(1, min(refusal.retry_after, window // 2))
            headers.append(("Retry-After", str(seconds)))
        elif public is Public.CLIENT and basic:
            status = 401
            headers.append(("WWW-Authenticate", 'Basic realm="authserver", charset="UTF-8"'))
        elif public in (Public.ACCESS_TOKEN, Public.ACCESS_TOKEN_SCOPE):
            headers.append(("WWW-Authenticate", _challenge(refusal.reason)))
        about = refusal.about if isinstance(refusal, Refused) else ""
        return RefusedRequest(public, self.note(refusal, client_id), status, headers, about)

    def reference(self, refusal: Refused | TryLater, client_id: str | None) -> str:
        """The reference that the answer will have, for code that records the refusal before it is answered.

        A `client_id` that no client can have is left out: it may be a secret in the wrong field.
        """
        return self._references.of(refusal, _possible_client_id(client_id))

    def note(self, refusal: Refused | TryLater, client_id: str | None = None) -> str:
        """Log the refusal with its reference, and count the reason. Returns the reference."""
        reference = self.reference(refusal, client_id)
        reason = refusal.reason
        REFUSALS.labels(reason.name.lower()).inc()
        self._activity.count(REFUSAL + reason.name.lower())
        _log.info(
            "refused",
            reason=reason.name.lower(),
            client_id=_possible_client_id(client_id),
            session_id=None if refusal.session_id is None else str(refusal.session_id),
            detail=refusal.detail or reason.text,
            reference=reference,
        )
        return reference


def _database_unavailable(error: Exception) -> TryLater:
    cause = getattr(error, "orig", None) or error  # the driver's own name for it says more than SQLAlchemy's
    return TryLater(reason_of(error), retry_after=_DATABASE_RETRY_AFTER, detail=type(cause).__name__)


def _possible_client_id(client_id: str | None) -> str | None:
    return client_id if client_id is not None and CLIENT_ID.fullmatch(client_id) else None


def _challenge(reason: Reason) -> str:
    """RFC 6750 section 3: name no error if no token was presented; name the scope that is missing."""
    if reason is Reason.ACCESS_TOKEN_MISSING:
        return 'Bearer realm="authserver"'
    error, text = reason.public.error, reason.public.text.replace("`", "")
    scope = ', scope="sessions"' if reason is Reason.ACCESS_TOKEN_SCOPE else ""
    return f'Bearer realm="authserver", error="{error}", error_description="{text}"{scope}'
