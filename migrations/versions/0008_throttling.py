"""Throttling: counters of failed attempts, known places, and secrets that the server keeps beside its keys."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A crash empties an unlogged table, and nothing waits for its writes to reach a disk.
    unlogged = ["UNLOGGED"] if op.get_bind().dialect.name == "postgresql" else []
    op.create_table(
        "throttle_buckets",
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, primary_key=True),
        sa.Column("slot", sa.Integer(), autoincrement=False, primary_key=True),
        sa.Column("empty_at", sa.BigInteger(), nullable=False),
        sa.Column("charged_at", sa.BigInteger(), nullable=False),
        prefixes=unlogged,
    )
    op.create_table(
        "throttle_strangers",
        sa.Column("slot", sa.Integer(), autoincrement=False, primary_key=True),
        sa.Column("empty_at", sa.BigInteger(), nullable=False),
        sa.Column("charged_at", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("halved_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "known_places",
        sa.Column("user_id", sa.Uuid(), primary_key=True),
        sa.Column("place", sa.LargeBinary(length=16), primary_key=True),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_known_places_last_at", "known_places", ["last_at"])
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=40), primary_key=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
    )
    op.add_column("clients", sa.Column("sends_user_address", sa.Boolean()))
