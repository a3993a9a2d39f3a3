"""The key table. The vault seals its secrets."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from authserver.database.tables import Model


class Kind(StrEnum):
    SIGNING = "signing"  # signs access tokens; its public half is in the JWKS
    TOKEN = "token"  # a pair: tags refresh tokens, and derives their successors
    OPAQUE = "opaque"  # seals opaque access tokens


class State(StrEnum):
    NEXT = "next"  # published to every node and API, not yet used
    ACTIVE = "active"  # in use for new tokens
    RETIRED = "retired"  # still published: tokens made with it are still valid
    GONE = "gone"  # no token made with it is valid any more; the secret is erased


def _one_for_each_kind(state: State) -> Index:
    condition = text(f"state = '{state.value}'")
    name = f"uq_keys_{state.value}"
    return Index(name, "kind", unique=True, sqlite_where=condition, postgresql_where=condition)


class KeyRecord(Model):
    """One key for its whole life. The indexes allow at most one next and one active key of each kind."""

    __tablename__ = "keys"
    __table_args__ = (_one_for_each_kind(State.NEXT), _one_for_each_kind(State.ACTIVE))

    id: Mapped[int] = mapped_column(Integer, primary_key=True)  # a token key's id stands in its refresh tokens
    kind: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10))
    algorithm: Mapped[str] = mapped_column(String(10))
    kid: Mapped[str | None] = mapped_column(String(43), unique=True)  # RFC 7638 thumbprint of a signing key
    public_jwk: Mapped[str | None] = mapped_column(Text)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    leaked: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[int] = mapped_column(BigInteger)
    activated_at: Mapped[int | None] = mapped_column(BigInteger)
    retired_at: Mapped[int | None] = mapped_column(BigInteger)
    gone_at: Mapped[int | None] = mapped_column(BigInteger)  # when it became gone, or will


class SecretRecord(Model):
    """A secret that the server makes once and keeps for good, sealed as keys are."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
