"""The rules for the claims of a token: it must be good for this API now (RFC 9068 section 4, RFC 7519 section 4.1)."""

from __future__ import annotations

from typing import Any

from authserver_resource.errors import VerificationError

_TEXTS = ("sub", "client_id", "jti")


class Rules:
    """Checks claims against an issuer and an audience, with a leeway in seconds because clocks differ."""

    def __init__(self, issuer: str, audience: str, leeway: float) -> None:
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway

    def check(self, claims: dict[str, Any], now: float) -> None:
        """Check all claims except status and scope."""
        if claims.get("iss") != self._issuer:
            raise VerificationError("issuer", "the token is another issuer's")
        audience = claims.get("aud")
        # `in` alone would find the audience as a part of a longer text.
        if audience != self._audience and not (isinstance(audience, list) and self._audience in audience):
            raise VerificationError("audience", "the token is for another API")
        for name in _TEXTS:
            if not isinstance(claims.get(name), str):
                raise VerificationError("claims", f"the claim {name} is missing or not a text")
        issued_at = _number(claims, "iat")
        self.check_times(claims, now)
        if issued_at > now + self._leeway:
            raise VerificationError("not_yet_valid", "the token was issued in the future")
        if "cnf" in claims:
            # To accept it as a bearer token would make the binding worthless.
            raise VerificationError("sender_constrained", "the token is bound to a key, and no proof is checked here")

    def check_times(self, claims: dict[str, Any], now: float) -> None:
        """Check the times again: they pass while a token is remembered."""
        if not _number(claims, "exp") + self._leeway > now:
            raise VerificationError("expired", "the token has expired")
        if "nbf" in claims and not _number(claims, "nbf") - self._leeway <= now:
            raise VerificationError("not_yet_valid", "the token is not valid yet")


def read_scopes(claims: dict[str, Any]) -> frozenset[str]:
    """Return the words of the claim `scope`; without the claim there are none."""
    scope = claims.get("scope", "")
    if not isinstance(scope, str):
        raise VerificationError("claims", "the claim scope is not a text")
    return frozenset(scope.split())


def _number(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if type(value) is int or type(value) is float:
        return value
    raise VerificationError("claims", f"the claim {name} is missing or not a number")
