"""Registered APIs and their scopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from authserver.database.tables import Model, WordSet


class ApiRecord(Model):
    """One API. Narrowing its scopes sets `narrowed_at`. A sweep narrows the sessions, then sets `swept_at`."""

    __tablename__ = "apis"

    audience: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    client_id: Mapped[str | None] = mapped_column(String(32))  # the client that the API itself authenticates as
    access_token_format: Mapped[str | None] = mapped_column(String(10))
    created_at: Mapped[int] = mapped_column(BigInteger)
    changed_at: Mapped[int] = mapped_column(BigInteger)
    narrowed_at: Mapped[int | None] = mapped_column(BigInteger)
    swept_at: Mapped[int | None] = mapped_column(BigInteger)


class ScopeRecord(Model):
    """One scope. It has one owner, so that a token without `resource` finds its audience."""

    __tablename__ = "scopes"

    scope: Mapped[str] = mapped_column(String(100), primary_key=True)
    audience: Mapped[str] = mapped_column(ForeignKey("apis.audience", ondelete="CASCADE"), index=True)
    roles: Mapped[frozenset[str]] = mapped_column(WordSet)  # empty: open to all users


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope and its owner. A user must have one of its roles; without roles it is open to all."""

    name: str
    audience: str
    roles: frozenset[str]

    def is_open_to(self, roles: frozenset[str]) -> bool:
        return not self.roles or not self.roles.isdisjoint(roles)


@dataclass(frozen=True, slots=True)
class Api:
    """A registered API."""

    audience: str
    name: str
    client_id: str | None
    scopes: frozenset[str]
    access_token_format: str | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All APIs and scopes as they stood at one moment."""

    apis: Mapping[str, Api]
    scopes: Mapping[str, Scope]

    def owners(self, scopes: frozenset[str]) -> frozenset[str]:
        """The audiences that own these scopes; unknown scopes have no owner."""
        return frozenset(self.scopes[scope].audience for scope in scopes if scope in self.scopes)

    def open_to(self, scopes: frozenset[str], roles: frozenset[str]) -> frozenset[str]:
        """The scopes among these that exist and that a user with these roles may have."""
        return frozenset(name for name in scopes if name in self.scopes and self.scopes[name].is_open_to(roles))
