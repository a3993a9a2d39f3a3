"""Alembic's entry: runs the migrations on the connection that `authserver.database.schema` hands over."""

from alembic import context

from authserver.administration import model as admin  # noqa: F401
from authserver.apis import model as apis  # noqa: F401
from authserver.clients import model as clients  # noqa: F401
from authserver.database import leases, origin  # noqa: F401
from authserver.database.tables import db
from authserver.keys import model as keys  # noqa: F401
from authserver.pages import model as browser  # noqa: F401

# Every model, so that a comparison of models and migrations sees all tables.
from authserver.records import activity, audit  # noqa: F401
from authserver.sessions import model as sessions  # noqa: F401
from authserver.users import model as users  # noqa: F401

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=db.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
