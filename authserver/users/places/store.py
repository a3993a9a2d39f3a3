"""The statements of known places. A sign-in reads its place together with its user (`users/store`)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from authserver.database.batches import Batches
from authserver.database.sql import now_ms
from authserver.users.model import KnownPlaceRecord
from authserver.users.places import LASTS_MS, MOST

_P = KnownPlaceRecord


def remember(connection: Connection, user_id: UUID, password_version: int, place: bytes) -> None:
    """Note that the user has signed in from a place. Two statements, each by itself: no row waits for another.

    The sign-in was by the password of `password_version`. If the password has changed meanwhile, the row counts for
    nothing, and one of a later version stays as it is.
    """
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(_P)
    values = insert.values(user_id=user_id, place=place, password_version=password_version, last_at=now_ms())
    upsert = values.on_conflict_do_update(
        index_elements=[_P.user_id, _P.place],
        set_={name: values.excluded[name] for name in ("password_version", "last_at")},
        where=func.coalesce(_P.password_version, 0) <= values.excluded.password_version,
    )
    connection.execute(upsert)
    newest = select(_P.place).where(_P.user_id == user_id).order_by(_P.last_at.desc(), _P.place).limit(MOST)
    connection.execute(delete(_P).where(_P.user_id == user_id, _P.place.not_in(newest.scalar_subquery())))


def forget(connection: Connection, user_id: UUID) -> None:
    """Forget all places of a user."""
    connection.execute(delete(_P).where(_P.user_id == user_id))


def prune(batches: Batches) -> int:
    """Delete a batch of the places that were not used for too long. Returns how many."""
    unused = _P.last_at <= now_ms() - LASTS_MS
    return batches.delete(_P.user_id, unused, among=unused)  # a user also has places that are in use
