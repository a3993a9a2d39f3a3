"""A verified access token, with types."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class AccessToken:
    """The claims of a verified token. It cannot be changed, so requests may share one.

    `claims` holds everything that the issuer signed. The token itself is not kept.
    """

    __slots__ = ("_claims", "_scopes")

    def __init__(self, claims: dict[str, Any], scopes: frozenset[str]) -> None:
        self._claims = claims
        self._scopes = scopes

    @property
    def claims(self) -> Mapping[str, Any]:
        return MappingProxyType(self._claims)

    @property
    def scopes(self) -> frozenset[str]:
        return self._scopes

    @property
    def subject(self) -> str:
        """The user's id, or the client's if it acts on its own behalf."""
        return str(self._claims["sub"])

    @property
    def client_id(self) -> str:
        return str(self._claims["client_id"])

    @property
    def is_of_a_user(self) -> bool:
        """False if a client acts on its own behalf."""
        return self.subject != self.client_id

    @property
    def issuer(self) -> str:
        return str(self._claims["iss"])

    @property
    def audiences(self) -> frozenset[str]:
        audience = self._claims["aud"]
        return frozenset([audience] if isinstance(audience, str) else audience)

    @property
    def id(self) -> str:
        """The claim `jti`: unique for each token."""
        return str(self._claims["jti"])

    @property
    def session_id(self) -> str | None:
        """The session that the token belongs to (`sid`); None if a client acts on its own behalf."""
        return self._text("sid")

    @property
    def issued_at(self) -> int:
        """In seconds since the epoch."""
        return int(self._claims["iat"])

    @property
    def expires_at(self) -> int:
        """In seconds since the epoch."""
        return int(self._claims["exp"])

    @property
    def auth_time(self) -> int | None:
        """When the user gave their password, in seconds since the epoch."""
        value = self._claims.get("auth_time")
        return int(value) if isinstance(value, (int, float)) else None

    @property
    def roles(self) -> frozenset[str]:
        roles = self._claims.get("roles")
        return frozenset(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else frozenset()

    def _text(self, name: str) -> str | None:
        value = self._claims.get(name)
        return value if isinstance(value, str) else None

    def __repr__(self) -> str:
        return f"AccessToken(subject={self.subject!r}, client_id={self.client_id!r}, scopes={sorted(self.scopes)})"
