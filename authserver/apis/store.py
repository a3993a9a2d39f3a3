"""The statements of APIs and scopes, and their cache. The caller commits."""

from __future__ import annotations

import threading
import time
from collections import defaultdict

from sqlalchemy import Connection, delete, insert, select, update

from authserver.apis.model import Api, ApiRecord, Catalogue, Scope, ScopeRecord
from authserver.database.engine import Database
from authserver.database.rereading import Rereading
from authserver.database.sql import now_ms

#: Before a refusal the catalogue is read again at most this often, so that wrong scopes do not become database load.
_REFRESH_SECONDS = 1.0


def read(connection: Connection) -> Catalogue:
    """Read all APIs and scopes. One statement."""
    columns = (ApiRecord.audience, ApiRecord.name, ApiRecord.client_id, ApiRecord.access_token_format)
    rows = connection.execute(
        select(*columns, ScopeRecord.scope, ScopeRecord.roles)
        .outerjoin(ScopeRecord, ScopeRecord.audience == ApiRecord.audience)
        .order_by(ApiRecord.audience, ScopeRecord.scope)
    ).all()
    scopes = {row.scope: Scope(row.scope, row.audience, row.roles) for row in rows if row.scope is not None}
    owned: defaultdict[str, set[str]] = defaultdict(set)
    for scope in scopes.values():
        owned[scope.audience].add(scope.name)
    apis = {
        row.audience: Api(
            row.audience, row.name, row.client_id, frozenset(owned[row.audience]), row.access_token_format
        )
        for row in rows
    }
    return Catalogue(apis, scopes)


def lock(connection: Connection, audience: str) -> bool:
    """Keep other changes of an API out until the transaction ends. Returns whether it exists."""
    statement = select(ApiRecord.audience).where(ApiRecord.audience == audience).with_for_update()
    return connection.execute(statement).one_or_none() is not None


def add(connection: Connection, api: Api, scopes: list[Scope]) -> None:
    """Insert an API with its scopes (IntegrityError when the audience or a scope is taken)."""
    connection.execute(
        insert(ApiRecord).values(
            audience=api.audience,
            name=api.name,
            client_id=api.client_id,
            access_token_format=api.access_token_format,
            created_at=now_ms(),
            changed_at=now_ms(),
        )
    )
    _insert_scopes(connection, scopes)


def change(connection: Connection, audience: str, values: dict[str, object], *, narrowed: bool) -> bool:
    """Change an API's own columns; `narrowed` marks that sessions have to be swept. Returns whether it exists."""
    mark = {"narrowed_at": now_ms()} if narrowed else {}
    statement = update(ApiRecord).where(ApiRecord.audience == audience).values(changed_at=now_ms(), **values, **mark)
    return connection.execute(statement).rowcount == 1


def replace_scopes(connection: Connection, audience: str, scopes: list[Scope]) -> None:
    """Give an API exactly these scopes (IntegrityError when another API owns one)."""
    connection.execute(delete(ScopeRecord).where(ScopeRecord.audience == audience))
    _insert_scopes(connection, scopes)


def remove(connection: Connection, audience: str) -> bool:
    """Delete an API that owns no scope and whose last narrowing has reached all sessions. Returns whether it did.

    The row remembers that sessions may still hold its scopes. Without it, such sessions would get the scopes back as
    soon as an API registers them again.
    """
    owns = select(ScopeRecord.scope).where(ScopeRecord.audience == audience).exists()
    swept = ApiRecord.narrowed_at.is_(None) | (ApiRecord.swept_at >= ApiRecord.narrowed_at)
    return connection.execute(delete(ApiRecord).where(ApiRecord.audience == audience, ~owns, swept)).rowcount == 1


def forget_client(connection: Connection, client_id: str) -> list[str]:
    """Let no API authenticate as this client any more. Returns the audiences of the APIs that did."""
    statement = update(ApiRecord).where(ApiRecord.client_id == client_id).values(client_id=None, changed_at=now_ms())
    return sorted(connection.execute(statement.returning(ApiRecord.audience)).scalars())


def unswept(connection: Connection, *, settled_ms: int = 0) -> list[tuple[str, int]]:
    """APIs whose narrowing, at least `settled_ms` ago, has not reached all sessions yet: audience and mark."""
    pending = (ApiRecord.narrowed_at <= now_ms() - settled_ms) & (
        ApiRecord.swept_at.is_(None) | (ApiRecord.swept_at < ApiRecord.narrowed_at)
    )
    rows = connection.execute(select(ApiRecord.audience, ApiRecord.narrowed_at).where(pending)).all()
    return [(row.audience, row.narrowed_at) for row in rows]


def mark_swept(connection: Connection, audience: str, narrowed_at: int) -> None:
    """Note that a narrowing has reached all sessions."""
    connection.execute(update(ApiRecord).where(ApiRecord.audience == audience).values(swept_at=narrowed_at))


def _insert_scopes(connection: Connection, scopes: list[Scope]) -> None:
    for scope in scopes:
        connection.execute(insert(ScopeRecord).values(scope=scope.name, audience=scope.audience, roles=scope.roles))


class CatalogueCache:
    """The catalogue in memory, at most `max_age` seconds old. There are few APIs, so it is read whole.

    No lock is held over a read: in an outage the waiting threads would time out one after the other, and a few requests
    for the metadata would keep every thread of a worker for minutes.
    """

    def __init__(self, database: Database, *, max_age: float) -> None:
        self._database = database
        self._max_age = max_age
        self._lock = threading.Lock()
        self._copy: tuple[Catalogue, float] | None = None  # with the monotonic time of its reading
        self._refreshed_at = float("-inf")
        self._rereading = Rereading(self._read)

    def current(self, connection: Connection | None = None) -> Catalogue:
        """The catalogue; usually no statement.

        Inside a transaction, give its `connection`: threads that each hold one and wait for a second would block each
        other until all of them time out.
        """
        copy = self._copy
        if copy is not None and time.monotonic() - copy[1] < self._max_age:
            return copy[0]
        return self._read() if connection is None else read(connection)

    def at_hand(self) -> Catalogue:
        """The catalogue, without a wait for a database that is slow: for documents that nothing depends on."""
        copy = self._copy
        if copy is None:
            return self._read()
        if time.monotonic() - copy[1] >= self._max_age:
            self._rereading.wait()
        return (self._copy or copy)[0]

    def refresh(self) -> Catalogue:
        """Read again before refusing a scope that may just have been added, but not more than once a second.

        The limit counts these readings, not the age of the copy: a new scope works at once.
        """
        copy, now = self._copy, time.monotonic()
        if copy is not None and now - self._refreshed_at < _REFRESH_SECONDS:
            return copy[0]
        catalogue = self._read()
        self._refreshed_at = now
        return catalogue

    def _read(self) -> Catalogue:
        read_at = time.monotonic()  # before the read, which may miss a change that happens during it
        with self._database.autocommit() as connection:
            catalogue = read(connection)
        with self._lock:
            if self._copy is None or self._copy[1] < read_at:  # another thread may have read later and been quicker
                self._copy = catalogue, read_at
        return catalogue
