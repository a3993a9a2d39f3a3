"""Activity: counts over time, of all nodes together, for the console's overview and the doctor.

Prometheus keeps what one process counted since it started; this keeps a little of it for those who run no Prometheus.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from authserver.database import Model


class ActivityRecord(Model):
    """How often something happened in the stretch of time that begins at `at` (milliseconds since the epoch)."""

    __tablename__ = "activity"

    at: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
