"""The tables of throttling. No row names an account, an address or a client: a slot is what a keyed digest leaves of it.

`key_check` is more of the digest of the key that charged the row when it was empty (`slots.Slot`). The version before leaves
it out. The next charge fills it in.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from authserver.database.tables import Model


class BucketRecord(Model):
    """One bucket (`policy.Bucket`). On PostgreSQL the table is unlogged: a crash empties it, and no write waits for a disk."""

    __tablename__ = "throttle_buckets"

    kind: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    slot: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    key_check: Mapped[int | None] = mapped_column(BigInteger)
    empty_at: Mapped[int] = mapped_column(BigInteger)
    charged_at: Mapped[int] = mapped_column(BigInteger)


class StrangersRecord(Model):
    """What all strangers together have tried at one account: a bucket, and failures in a row, which outlast a crash.

    `failures` is halved for each whole day since `halved_at`, when it is next written.
    """

    __tablename__ = "throttle_strangers"

    slot: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    key_check: Mapped[int | None] = mapped_column(BigInteger)
    empty_at: Mapped[int] = mapped_column(BigInteger)
    charged_at: Mapped[int] = mapped_column(BigInteger)
    failures: Mapped[int] = mapped_column(Integer)
    halved_at: Mapped[int] = mapped_column(BigInteger)
