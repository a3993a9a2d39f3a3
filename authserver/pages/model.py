"""A visit: a browser that is signed in to the server's own pages, `/admin/` and `/account/`. It is not a session.

A session belongs to a client and gives tokens. A visit belongs to a cookie and gives pages.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, Integer, LargeBinary, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from authserver.database.tables import Model


class VisitRecord(Model):
    """One visit. Times are in milliseconds, by the database's clock. The digest is SHA-256 of the cookie's secret.

    It counts only while the user has the `password_version` it began with, so every change of the password ends it.
    """

    __tablename__ = "visits"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    user_id: Mapped[UUID] = mapped_column(Uuid, index=True)
    password_version: Mapped[int] = mapped_column(Integer)
    opened_at: Mapped[int] = mapped_column(BigInteger)
    last_used_at: Mapped[int] = mapped_column(BigInteger)
    confirmed_at: Mapped[int] = mapped_column(BigInteger)  # when the password was last typed
    expires_at: Mapped[int] = mapped_column(BigInteger)
    address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(200))
