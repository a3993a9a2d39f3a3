"""Status lists: an index for each client's own tokens, ended ones, and formats of access tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ended_own_tokens",
        sa.Column("status_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("listed_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("status_index"),
    )
    revoked = sa.text("revoked_at IS NOT NULL")
    op.create_index("ix_sessions_revoked", "sessions", ["status_index"], sqlite_where=revoked, postgresql_where=revoked)
    op.add_column("apis", sa.Column("access_token_format", sa.String(length=10)))
    op.add_column("clients", sa.Column("access_token_format", sa.String(length=10)))
    # The first node of the new version fills it, because nodes of the old version may add clients until then.
    with op.batch_alter_table("clients") as clients:
        clients.add_column(sa.Column("status_index", sa.BigInteger()))
        clients.create_unique_constraint("uq_clients_status_index", ["status_index"])
