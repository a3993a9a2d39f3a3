"""Browser apps: how a client gets its tokens, from which origins it asks, and the scope of a user's own sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_OWN_SESSIONS = "urn:authserver:own-sessions"


def upgrade() -> None:
    op.add_column("clients", sa.Column("token_delivery", sa.String(length=15)))
    op.add_column("clients", sa.Column("origins", sa.Text()))
    _register_own_sessions()


def _register_own_sessions() -> None:
    """Register the API behind /sessions, unless another API owns a scope of that name already."""
    scopes = sa.table("scopes", *map(sa.column, ("scope", "audience", "roles")))
    taken = sa.select(scopes.c.scope).where(scopes.c.scope == "sessions")
    if op.get_bind().execute(taken).first() is not None:
        return
    now = sa.text(
        "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
        if op.get_bind().dialect.name == "sqlite"
        else "CAST(floor(date_part('epoch', statement_timestamp()) * 1000) AS BIGINT)"
    )
    apis = sa.table("apis", *map(sa.column, ("audience", "name", "created_at", "changed_at")))
    op.execute(apis.insert().values(audience=_OWN_SESSIONS, name="Own sessions", created_at=now, changed_at=now))
    op.execute(scopes.insert().values(scope="sessions", audience=_OWN_SESSIONS, roles=""))
