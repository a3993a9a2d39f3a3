"""Whether the subject of a new user is free, and stays so until the user is added."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from authserver.administration.errors import Conflict
from authserver.users.subjects import store


def refuse_taken(connection: Connection, subjects: Sequence[str]) -> None:
    """Keep clients from being added until the transaction ends, then look whether a subject is taken.

    Raises:
        Conflict: a user or client has one of them.
    """
    if not subjects:
        return
    store.keep_clients_out(connection)
    for subject, holder in store.holders(connection, subjects).items():
        raise Conflict(f"the subject {subject} {holder}", field="subject")
