"""Whether the subject of a new user is free, and stays so until the user is added."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from authserver.administration.errors import Conflict
from authserver.users.subjects import Holder, store


def refuse_taken(connection: Connection, subject: str) -> None:
    """Keep clients from being added until the transaction ends, then look whether the subject is taken.

    Raises:
        Conflict: a user or client has it.
    """
    store.keep_clients_out(connection)
    if (holder := store.holders(connection, [subject]).get(subject)) is not None:
        raise Conflict(f"the subject {subject} {holder}", field="subject")


def refuse_client_ids(connection: Connection, subjects: Sequence[str]) -> None:
    """The same for many users, of whom the database itself refuses those whose subject another user has.

    Raises:
        Conflict: a client has one of the subjects.
    """
    if subjects:
        store.keep_clients_out(connection)
    for subject in store.client_ids_among(connection, subjects):
        raise Conflict(f"the subject {subject} {Holder.CLIENT}", field="subject")
