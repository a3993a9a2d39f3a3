"""Housekeeping: leases, so that one worker of all nodes prunes. Nodes of the version before prune as they did."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=40), primary_key=True),
        sa.Column("until", sa.BigInteger(), nullable=False),
    )
