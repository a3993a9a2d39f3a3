"""A registered client: its row, and the frozen value that requests use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from authserver.clients.origins import TokenDelivery
from authserver.database.tables import Model, WordSet

RefreshPolicy = Literal["rotate", "stable"]
AccessTokenFormat = Literal["jwt", "opaque"]

#: From the shortest to the longest. The server's settings have a default and a maximum for each.
LIFETIMES: Final = ("access_token_lifetime", "refresh_idle_lifetime", "refresh_absolute_lifetime")


class ClientRecord(Model):
    """One client. Lifetimes and windows are in seconds; NULL means the server's setting.

    `epoch` counts how often all sessions and tokens of the client were ended. A session of an earlier epoch does not
    count: each node knows that within the life of its cache, long before a sweep reaches the session's row.
    """

    __tablename__ = "clients"
    __table_args__ = (UniqueConstraint("status_index", name="uq_clients_status_index"),)

    client_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(10))
    auth_methods: Mapped[frozenset[str]] = mapped_column(WordSet)  # `none` stands alone: a public client
    secret_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    previous_secret_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    previous_secret_expires_at: Mapped[int | None] = mapped_column(BigInteger)
    grants: Mapped[frozenset[str]] = mapped_column(WordSet)
    scopes: Mapped[frozenset[str]] = mapped_column(WordSet)
    default_scopes: Mapped[frozenset[str] | None] = mapped_column(WordSet)
    default_api: Mapped[str | None] = mapped_column(String(255))
    refresh_policy: Mapped[RefreshPolicy] = mapped_column(String(10))
    retry_window: Mapped[int | None] = mapped_column(Integer)
    late_retries: Mapped[int] = mapped_column(Integer)
    refuse_foreign_retries: Mapped[bool] = mapped_column(Boolean)
    access_token_lifetime: Mapped[int | None] = mapped_column(Integer)
    refresh_idle_lifetime: Mapped[int | None] = mapped_column(Integer)
    refresh_absolute_lifetime: Mapped[int | None] = mapped_column(Integer)
    max_sessions_per_user: Mapped[int | None] = mapped_column(Integer)
    enabled: Mapped[bool] = mapped_column(Boolean)
    epoch: Mapped[int] = mapped_column(Integer)
    swept_epoch: Mapped[int] = mapped_column(Integer)  # a sweep has ended all rows of earlier epochs
    status_index: Mapped[int | None] = mapped_column(BigInteger)  # of its own tokens, which have no session
    access_token_format: Mapped[AccessTokenFormat | None] = mapped_column(String(10))
    redirect_uris: Mapped[frozenset[str] | None] = mapped_column(WordSet)
    contacts: Mapped[frozenset[str] | None] = mapped_column(WordSet)
    first_party: Mapped[bool | None] = mapped_column(Boolean)  # NULL means true: the row is older than the column
    token_delivery: Mapped[TokenDelivery | None] = mapped_column(String(15))
    origins: Mapped[frozenset[str] | None] = mapped_column(WordSet)
    sends_user_address: Mapped[bool | None] = mapped_column(Boolean)  # NULL means false: the row is older
    secret_used_at: Mapped[int | None] = mapped_column(BigInteger)  # written in intervals
    previous_secret_used_at: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[int] = mapped_column(BigInteger)
    changed_at: Mapped[int] = mapped_column(BigInteger)
    removed_at: Mapped[int | None] = mapped_column(BigInteger)


class EndedOwnTokens(Model):
    """A client's own tokens that were ended early: their status index, and until when the lists show it."""

    __tablename__ = "ended_own_tokens"

    status_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    client_id: Mapped[str] = mapped_column(String(32))
    listed_until: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class Client:
    """A client with the server's settings filled in, so that a request looks nothing up.

    Lifetimes and the window are in seconds. `secret_digests` has one digest, or two during a rotation, each with the
    time in milliseconds at which it expires, or None.
    """

    client_id: str
    auth_methods: frozenset[str]
    secret_digests: tuple[tuple[bytes, int | None], ...]
    grants: frozenset[str]
    scopes: frozenset[str]
    default_scopes: frozenset[str]
    default_api: str | None
    refresh_policy: RefreshPolicy
    retry_window: int
    late_retries: int
    refuse_foreign_retries: bool
    access_token_lifetime: int
    refresh_idle_lifetime: int
    refresh_absolute_lifetime: int
    max_sessions_per_user: int | None
    enabled: bool
    epoch: int
    status_index: int | None
    access_token_format: AccessTokenFormat | None
    token_delivery: TokenDelivery
    origins: frozenset[str]
    sends_user_address: bool

    @property
    def uses_cookies(self) -> bool:
        return self.token_delivery != "json"

    @property
    def is_public(self) -> bool:
        return "none" in self.auth_methods
