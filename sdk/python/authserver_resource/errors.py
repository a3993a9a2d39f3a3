"""The one exception of a refused token. Its stable code says why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from authserver_resource.texts import NO_SCOPES, scope_names

E = TypeVar("E", bound=BaseException)

#: Each code with its HTTP status. Codes are never renamed; later versions may add some.
CODES: Final[dict[str, int]] = {
    "missing_token": 401,  # no access token came with the request
    "malformed": 401,  # not a JWT in the compact form, and not an opaque token
    "type": 401,  # `typ` is not at+jwt, as in an ID token
    "algorithm": 401,  # not on the allow-list, or not the algorithm of the key
    "critical": 401,  # `crit` names an extension, and this library knows none
    "unknown_key": 401,  # the issuer publishes no key of this `kid`
    "signature": 401,
    "claims": 401,  # a required claim is missing or of the wrong type
    "issuer": 401,
    "audience": 401,
    "expired": 401,
    "not_yet_valid": 401,  # `nbf`, or an `iat` in the future
    "sender_constrained": 401,  # bound to a key (`cnf`): this version does not check the proof
    "revoked": 401,
    "inactive": 401,  # the introspection endpoint says that it is not active
    "opaque": 401,  # an opaque token came, and no credentials for introspection are set
    "insufficient_scope": 403,
    "origin": 403,  # a cookie came with an unsafe method, from a foreign or unnamed origin
    "keys_unavailable": 503,  # no keys: the issuer has never answered, or not for too long
    "status_unavailable": 503,  # no list that is fresh enough for the setting
    "introspection_unavailable": 503,
}


class VerificationError(Exception):
    """A token was refused. `code` is stable. The text is for logs and holds nothing of the token.

    `status` is the HTTP status of the answer: 503 means that the check was not possible, and the token may be good.
    """

    def __init__(self, code: str, text: str, *, scopes: str | Iterable[str] = NO_SCOPES) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = CODES[code]
        #: The scopes that the call asked for, if the token lacks one.
        self.scopes = scope_names(scopes)


class FetchError(Exception):
    """Internal: the issuer could not be reached, or its answer cannot be used. The text says how, and where."""


def bare(error: E) -> E:
    """Return the error without tracebacks. They would keep tokens and secrets for as long as the error is kept."""
    following: BaseException | None = error
    while following is not None:
        following.__traceback__ = None
        if isinstance(reason := getattr(following, "reason", None), BaseException):
            reason.__traceback__ = reason.__context__ = None
        following = following.__cause__ or following.__context__
    return error
