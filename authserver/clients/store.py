"""The statements of clients. The caller commits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, cast, func, insert, literal, select, update

from authserver.clients.model import ClientRecord, EndedOwnTokens
from authserver.database.engine import Database
from authserver.database.sql import now_ms
from authserver.database.status_indices import lease
from authserver.database.tables import all_rows, one_row
from authserver.settings.values import LEEWAY, LONGEST_ACCESS_TOKEN

#: A node may sign for a client that it cached a few seconds ago, by a clock that is a few seconds ahead.
_NODES_SECONDS = 10

#: No sign-in takes that long. A transaction waits 10 s for a lock by default, and is ended when it idles for 30 s.
_SETTLED_MS = 60_000

_COLUMNS = ClientRecord.__table__.columns


def read(connection: Connection, client_id: str) -> ClientRecord | None:
    """Read a client's row, unless it is removed. One statement, by primary key."""
    return one_row(connection, ClientRecord, select(*_COLUMNS).where(_present(client_id)))


def lock(connection: Connection, client_id: str) -> ClientRecord | None:
    """Read a client's row and lock it against other changes until the transaction ends."""
    return one_row(connection, ClientRecord, select(*_COLUMNS).where(_present(client_id)).with_for_update())


def _present(client_id: str) -> ColumnElement[bool]:
    return (ClientRecord.client_id == client_id) & ClientRecord.removed_at.is_(None)


def was_removed(connection: Connection, client_id: str) -> bool:
    """Whether the id belongs to a removed client whose row is still needed."""
    gone = (ClientRecord.client_id == client_id) & ClientRecord.removed_at.is_not(None)
    return connection.execute(select(ClientRecord.client_id).where(gone)).one_or_none() is not None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which clients to find; None matches all. `text` is part of the id or name, upper and lower case alike."""

    text: str | None = None
    kind: str | None = None
    enabled: bool | None = None
    scope: str | None = None


def read_all(
    connection: Connection, which: Filter = Filter(), *, after: str | None = None, limit: int | None = None
) -> Sequence[ClientRecord]:
    """Read the clients in the order of their ids, without removed ones. `after` is the last id of the previous page."""
    statement = select(*_COLUMNS).where(ClientRecord.removed_at.is_(None)).order_by(ClientRecord.client_id).limit(limit)
    if after is not None:
        statement = statement.where(ClientRecord.client_id > after)
    if which.text is not None:
        in_id = ClientRecord.client_id.icontains(which.text, autoescape=True)
        statement = statement.where(in_id | ClientRecord.name.icontains(which.text, autoescape=True))
    if which.kind is not None:
        statement = statement.where(ClientRecord.kind == which.kind)
    if which.enabled is not None:
        statement = statement.where(ClientRecord.enabled.is_(which.enabled))
    if which.scope is not None:
        words = literal(" ") + cast(ClientRecord.scopes, Text) + literal(" ")
        statement = statement.where(words.contains(f" {which.scope} ", autoescape=True))
    return all_rows(connection, ClientRecord, statement)


def names_of(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """The names of these clients, for lists. Removed clients have one too while their rows are kept."""
    statement = select(ClientRecord.client_id, ClientRecord.name).where(ClientRecord.client_id.in_(ids))
    return {row.client_id: row.name for row in connection.execute(statement)}


def read_origins(connection: Connection) -> frozenset[str]:
    """The origins of all enabled clients, for preflights, which name no client."""
    usable = ClientRecord.enabled & ClientRecord.removed_at.is_(None) & ClientRecord.origins.is_not(None)
    rows = connection.execute(select(ClientRecord.origins).where(usable)).scalars()
    return frozenset[str]().union(*(origins for origins in rows if origins is not None))


def add(connection: Connection, values: Mapping[str, Any]) -> None:
    """Insert a client. Raises IntegrityError if the client_id is taken, also by a removed client."""
    connection.execute(
        insert(ClientRecord).values(
            enabled=True,
            epoch=1,
            swept_epoch=1,
            status_index=lease(connection),
            created_at=now_ms(),
            changed_at=now_ms(),
            **values,
        )
    )


def change(connection: Connection, client_id: str, values: Mapping[str, Any]) -> bool:
    """Change columns of a client. Returns whether it exists."""
    statement = update(ClientRecord).where(_present(client_id)).values(changed_at=now_ms(), **values)
    return connection.execute(statement).rowcount == 1


def rotate_secret(connection: Connection, client_id: str, digest: bytes, *, overlap_ms: int) -> bool:
    """Replace the secret; the old one stays valid for `overlap_ms`. Returns whether there was a secret to replace."""
    has_secret = _present(client_id) & ClientRecord.secret_digest.is_not(None)
    statement = update(ClientRecord).values(
        previous_secret_digest=ClientRecord.secret_digest if overlap_ms else None,
        previous_secret_expires_at=now_ms() + overlap_ms if overlap_ms else None,
        previous_secret_used_at=ClientRecord.secret_used_at if overlap_ms else None,
        secret_digest=digest,
        secret_used_at=None,
        changed_at=now_ms(),
    )
    return connection.execute(statement.where(has_secret)).rowcount == 1


def note_secret_use(connection: Connection, client_id: str, digest: bytes, at: int) -> None:
    """Note when the secret with this digest was used, if the client still has it. The time only moves forward.

    The secret is found by its digest, because it may have become the previous one. `changed_at` stays as it is.
    """
    places = (
        (ClientRecord.secret_digest, ClientRecord.secret_used_at),
        (ClientRecord.previous_secret_digest, ClientRecord.previous_secret_used_at),
    )
    for held, used_at in places:
        earlier = used_at.is_(None) | (used_at < at)
        theirs = (ClientRecord.client_id == client_id) & (held == digest) & earlier
        connection.execute(update(ClientRecord).where(theirs).values({used_at: at}))


def give_status_indices(database: Database, batch: int) -> Iterator[int]:
    """Give an index to clients without one, a batch for each item. Two callers at once do no harm.

    Each statement commits by itself: the counter of indices is not locked while the clients are written.
    """
    missing = select(ClientRecord.client_id).where(ClientRecord.status_index.is_(None)).limit(batch)
    while True:
        with database.autocommit() as connection:
            client_ids = connection.execute(missing).scalars().all()
            if not client_ids:
                return
            first = lease(connection, len(client_ids))
            for index, client_id in enumerate(client_ids, first):
                without = (ClientRecord.client_id == client_id) & ClientRecord.status_index.is_(None)
                connection.execute(update(ClientRecord).where(without).values(status_index=index))
        yield len(client_ids)


def count_without_status_index(connection: Connection) -> int:
    """How many clients have no index."""
    missing = select(func.count()).select_from(ClientRecord).where(ClientRecord.status_index.is_(None))
    return connection.execute(missing).scalar_one()


def end_own_tokens(connection: Connection, client_id: str, *, seen_index: int | None = None) -> bool:
    """End all tokens that a client holds on its own behalf: later tokens get another status index.

    `seen_index` is the index of the token that is revoked. If the client has another index by now, that token has
    ended before. Returns whether this call ended the tokens.
    """
    statement = select(ClientRecord.status_index).where(ClientRecord.client_id == client_id).with_for_update()
    row = connection.execute(statement).one_or_none()
    if row is None or row.status_index is None or seen_index not in (None, row.status_index):
        return False
    fresh = {"status_index": lease(connection)}
    connection.execute(update(ClientRecord).where(ClientRecord.client_id == client_id).values(fresh))
    # No row says when each token expires, but no token lives longer than this.
    listed_until = now_ms() + (LONGEST_ACCESS_TOKEN + LEEWAY + _NODES_SECONDS) * 1000
    connection.execute(
        insert(EndedOwnTokens).values(status_index=row.status_index, client_id=client_id, listed_until=listed_until)
    )
    return True


def end_epoch(connection: Connection, client_id: str, *, enabled: bool | None = None, remove: bool = False) -> bool:
    """Begin a new epoch: it ends all sessions and tokens of the client. Returns whether the client exists."""
    end_own_tokens(connection, client_id)
    values: dict[str, Any] = {"epoch": ClientRecord.epoch + 1}
    if enabled is not None:
        values["enabled"] = enabled
    if remove:
        values |= {"removed_at": now_ms(), "enabled": False}
    return change(connection, client_id, values)


def unswept(connection: Connection) -> list[tuple[str, int]]:
    """The id and epoch of clients, also removed ones, whose earlier epochs a sweep has not finished."""
    pending = ClientRecord.swept_epoch < ClientRecord.epoch
    rows = connection.execute(select(ClientRecord.client_id, ClientRecord.epoch).where(pending))
    return [(row.client_id, row.epoch) for row in rows]


def mark_swept(connection: Connection, client_id: str, epoch: int) -> None:
    """Note that all sessions of epochs before this one have been ended, once no more can come.

    A sign-in that began before the end of the epoch may insert its session a little later, because it does not lock
    this row. So the note waits until the change is `_SETTLED_MS` old, and each sweep until then looks again.
    """
    settled = (ClientRecord.client_id == client_id) & (ClientRecord.changed_at <= now_ms() - _SETTLED_MS)
    connection.execute(update(ClientRecord).where(settled).values(swept_epoch=epoch))


def removed() -> ColumnElement[bool]:
    """Clients that are removed, and that a sweep has finished."""
    return ClientRecord.removed_at.is_not(None) & (ClientRecord.swept_epoch == ClientRecord.epoch)


def unlisted() -> ColumnElement[bool]:
    """Status indices (`EndedOwnTokens`) that the status lists need not show any more."""
    return EndedOwnTokens.listed_until <= now_ms()
