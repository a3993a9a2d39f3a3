"""What of a new user's subject depends on the settings and on others: whether all nodes know it, and who has it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from authserver.administration.errors import Conflict
from authserver.settings.values import DatabaseSettings
from authserver.users.subjects import store


def too_early(subject: str | None, settings: DatabaseSettings) -> str | None:
    """Why a user with this subject cannot be added yet; None if nothing is in the way.

    A node of the version before would put the user's id into tokens instead.
    """
    if subject is None or settings.all_nodes_new:
        return None
    return (
        "nodes of the version before know no subjects: when none of them runs any more, set database.all_nodes_new to "
        "true on all nodes"
    )


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
