"""The statements that keep subjects and client ids apart. The caller commits.

Adding a user with a subject and adding a client exclude each other until they commit, so each sees what the other has
added. SQLite's transactions do so by themselves.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, select

from authserver.clients.model import ClientRecord, EndedOwnTokens
from authserver.clients.registry import CLIENT_ID
from authserver.users.model import UserRecord
from authserver.users.subjects import Holder, as_id

#: The advisory lock on PostgreSQL; `database/schema.py` has another.
_LOCK = 5_136_202_601_127


def keep_clients_out(connection: Connection) -> None:
    """Let no client be added until the transaction ends. Others may add users with subjects."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))


def keep_subjects_out(connection: Connection) -> None:
    """Let no user with a subject be added until the transaction ends, and no other client."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def holders(connection: Connection, subjects: Collection[str]) -> dict[str, Holder]:
    """Those of these subjects that a user or client has.

    Removed ones count while their rows are kept, and clients until the tokens that were ended have expired.
    """
    if not subjects:
        return {}
    found: dict[str, Holder] = {}
    ids = {subject: user_id for subject in subjects if (user_id := as_id(subject)) is not None}
    if ids:
        present = set(connection.execute(select(UserRecord.id).where(UserRecord.id.in_(ids.values()))).scalars())
        found |= {subject: Holder.USER_ID for subject, user_id in ids.items() if user_id in present}
    found |= dict.fromkeys(client_ids_among(connection, subjects), Holder.CLIENT)
    users = select(UserRecord.subject, UserRecord.removed_at).where(UserRecord.subject.in_(subjects))
    for row in connection.execute(users):
        found[row.subject] = Holder.USER if row.removed_at is None else Holder.REMOVED_USER
    return found


def client_ids_among(connection: Connection, subjects: Collection[str]) -> Collection[str]:
    """Those of these subjects that are the id of a client. No statement if none has the form of one."""
    possible = [subject for subject in subjects if CLIENT_ID.fullmatch(subject)]
    if not possible:
        return ()
    clients = select(ClientRecord.client_id).where(ClientRecord.client_id.in_(possible))
    tokens = select(EndedOwnTokens.client_id).where(EndedOwnTokens.client_id.in_(possible))
    return connection.execute(clients.union(tokens)).scalars().all()


def is_subject(connection: Connection, text: str) -> bool:
    """Whether a user has this subject, also a removed user whose row is kept."""
    return connection.execute(select(UserRecord.id).where(UserRecord.subject == text)).first() is not None
