"""Idempotency keys: the answers of creations over the API. A repetition creates nothing and gets the same answer."""

from __future__ import annotations

from sqlalchemy import BigInteger, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from authserver.database.tables import Model


class IdempotencyRecord(Model):
    """One key, stored as the SHA-256 of actor, route and key.

    Request and answer may hold secrets, so the row has a keyed digest of the request, and the answer is sealed.
    """

    __tablename__ = "idempotency_keys"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    request_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    sealed_answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[int] = mapped_column(BigInteger, index=True)
