"""Subjects: ids that users bring along and tokens have as `sub`. Sessions of nodes of the version before have none."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("subject", sa.String(length=255)))
    op.create_index("uq_users_subject", "users", ["subject"], unique=True)
    op.add_column("sessions", sa.Column("subject", sa.String(length=255)))
    # The order of lists, since a user may have an address and no user name.
    op.create_index("ix_users_listed", "users", [sa.text("coalesce(username_key, email_key)")])
    op.create_table("schema_origin", sa.Column("revision", sa.String(length=32), primary_key=True))
    # The first node makes keys. Without them no node of the version before has ever worked here.
    op.execute("INSERT INTO schema_origin (revision) SELECT '0006' WHERE NOT EXISTS (SELECT 1 FROM keys)")
