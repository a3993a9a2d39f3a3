"""Which version made the schema. A schema that is younger than a feature has never met a node that does not know it."""

from __future__ import annotations

from sqlalchemy import Connection, String, select
from sqlalchemy.orm import Mapped, mapped_column

from authserver.database.tables import Model


class SchemaOrigin(Model):
    """The revision at which the schema was made. The upgrade of an empty database writes it, from 0006 on."""

    __tablename__ = "schema_origin"

    revision: Mapped[str] = mapped_column(String(32), primary_key=True)


def is_since(connection: Connection, revision: str) -> bool:
    """Whether the schema was made at this revision or a later one."""
    found = select(SchemaOrigin.revision).where(SchemaOrigin.revision >= revision)
    return connection.execute(found).first() is not None
