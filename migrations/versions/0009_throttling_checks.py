"""Throttling: whose row a slot is, and the password by which a place became known."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("throttle_buckets", sa.Column("key_check", sa.BigInteger()))
    op.add_column("throttle_strangers", sa.Column("key_check", sa.BigInteger()))
    op.add_column("known_places", sa.Column("password_version", sa.Integer()))
