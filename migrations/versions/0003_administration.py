"""Administration over HTTP: visits, links for passwords, idempotency, activity, more columns of the audit record."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ADMINISTRATION = "urn:authserver:administration"
_SCOPES = (
    *(
        f"authserver:{noun}:{verb}"
        for noun in ("apis", "clients", "keys", "sessions", "users")
        for verb in ("read", "write")
    ),
    "authserver:audit:read",
    "authserver:settings:read",
)


def upgrade() -> None:
    op.create_table(
        "visits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("password_version", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_visits_user_id", "visits", ["user_id"])
    op.create_table(
        "password_links",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("password_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_password_links_user_id", "password_links", ["user_id"])
    op.create_table(
        "idempotency_keys",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed_answer", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "activity",
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("at", "name"),
    )
    op.add_column("audit_events", sa.Column("outcome", sa.String(length=10)))
    op.add_column("audit_events", sa.Column("reference", sa.Text()))
    op.create_index("ix_audit_events_user_id", "audit_events", ["user_id", "at"])
    op.create_index("ix_audit_events_client_id", "audit_events", ["client_id", "at"])
    op.add_column("clients", sa.Column("redirect_uris", sa.Text()))
    op.add_column("clients", sa.Column("contacts", sa.Text()))
    op.add_column("clients", sa.Column("first_party", sa.Boolean()))
    op.add_column("clients", sa.Column("secret_used_at", sa.BigInteger()))
    op.add_column("clients", sa.Column("previous_secret_used_at", sa.BigInteger()))
    _register_administration()


def _register_administration() -> None:
    """Register the API of administration, open to one role only."""
    now = sa.text(
        "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
        if op.get_bind().dialect.name == "sqlite"
        else "CAST(floor(date_part('epoch', statement_timestamp()) * 1000) AS BIGINT)"
    )
    apis = sa.table("apis", *map(sa.column, ("audience", "name", "created_at", "changed_at")))
    scopes = sa.table("scopes", *map(sa.column, ("scope", "audience", "roles")))
    op.execute(apis.insert().values(audience=_ADMINISTRATION, name="Administration", created_at=now, changed_at=now))
    for scope in _SCOPES:
        op.execute(scopes.insert().values(scope=scope, audience=_ADMINISTRATION, roles="administrator"))
