"""The key table's statements. One conditional statement claims each step that may happen once. The caller commits."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import Connection, case, delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from authserver.database.sql import now_ms
from authserver.database.tables import all_rows, present
from authserver.keys.material import NewKey, purpose, unseal
from authserver.keys.model import KeyRecord, Kind, SecretRecord, State
from authserver.keys.vault import Vault

_COLUMNS = KeyRecord.__table__.columns


def all_keys(connection: Connection) -> Sequence[KeyRecord]:
    """Every key, gone keys too, oldest first, each with the database's time as `now`."""
    return all_rows(connection, KeyRecord, select(*_COLUMNS, now_ms().label("now")).order_by(KeyRecord.id))


def add(connection: Connection, vault: Vault, key: NewKey, state: State) -> None:
    """Insert a key. A partial unique index refuses a second next or active one (IntegrityError)."""
    connection.execute(
        insert(KeyRecord).values(
            kind=key.kind.value,
            state=state.value,
            algorithm=key.algorithm,
            kid=key.kid,
            public_jwk=key.public_jwk,
            sealed=vault.seal(key.secret, purpose=purpose(key.kind, key.kid)),
            leaked=False,
            created_at=now_ms(),
            activated_at=now_ms() if state is State.ACTIVE else None,
        )
    )


def drop_next(connection: Connection, key_id: int) -> bool:
    """Delete a next key that has not been promoted meanwhile. It never signed, so nothing depends on it."""
    dropped = delete(KeyRecord).where(KeyRecord.id == key_id, KeyRecord.state == State.NEXT.value)
    return connection.execute(dropped).rowcount == 1


def promote(connection: Connection, kind: Kind, *, active: int, following: int, keep_ms: int) -> bool:
    """Retire the active key and activate the next one, if they are still active and next.

    Returns False when another node was first; the caller then rolls back. The retired key stays published `keep_ms`.
    """
    retired = connection.execute(
        update(KeyRecord)
        .where(KeyRecord.id == active, KeyRecord.kind == kind.value, KeyRecord.state == State.ACTIVE.value)
        .values(state=State.RETIRED.value, retired_at=now_ms(), gone_at=now_ms() + keep_ms)
    )
    activated = connection.execute(
        update(KeyRecord)
        .where(KeyRecord.id == following, KeyRecord.kind == kind.value, KeyRecord.state == State.NEXT.value)
        .values(state=State.ACTIVE.value, activated_at=now_ms())
    )
    return retired.rowcount == 1 and activated.rowcount == 1


def erase_due(connection: Connection) -> int:
    """Erase the secrets of retired keys whose time is over. Returns how many."""
    return connection.execute(
        update(KeyRecord)
        .where(KeyRecord.state == State.RETIRED.value, KeyRecord.gone_at <= now_ms())
        .values(state=State.GONE.value, sealed=None)
    ).rowcount


def mark_leaked(connection: Connection, key_id: int) -> bool:
    """Mark a next or retired key as leaked. Returns False when it is in another state.

    It is gone at once; only a retired token key is still read. A next token key is gone too: nothing was made with it,
    and it must not be promoted later on.
    """
    gone = or_(KeyRecord.state == State.NEXT.value, KeyRecord.kind != Kind.TOKEN.value)
    marked = (
        update(KeyRecord)
        .where(KeyRecord.id == key_id, KeyRecord.state.in_((State.NEXT.value, State.RETIRED.value)))
        .values(
            leaked=True,
            state=case((gone, State.GONE.value), else_=KeyRecord.state),
            gone_at=case((gone, now_ms()), else_=KeyRecord.gone_at),
            sealed=case((gone, None), else_=KeyRecord.sealed),
        )
    )
    return connection.execute(marked).rowcount == 1


def secret(connection: Connection, vault: Vault, name: str) -> bytes:
    """The secret of this name: 32 bytes, made at the first call of all nodes. One statement, usually."""
    bound_to = f"secret:{name}"
    read = select(SecretRecord.sealed).where(SecretRecord.name == name)
    sealed = connection.execute(read).scalar_one_or_none()
    if sealed is None:
        insert_once = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(SecretRecord)
        new = vault.seal(secrets.token_bytes(32), purpose=bound_to)
        connection.execute(insert_once.values(name=name, sealed=new).on_conflict_do_nothing())
        sealed = connection.execute(read).scalar_one()
    return vault.open(sealed, purpose=bound_to)


def has_secret(connection: Connection, name: str) -> bool:
    """Whether the secret of this name was made."""
    return connection.execute(select(SecretRecord.name).where(SecretRecord.name == name)).first() is not None


def reseal_secrets(connection: Connection, vault: Vault) -> None:
    """Seal again every secret that is under the old master key."""
    for name, sealed in connection.execute(select(SecretRecord.name, SecretRecord.sealed)).all():
        if not vault.is_current(sealed):
            again = vault.seal(vault.open(sealed, purpose=f"secret:{name}"), purpose=f"secret:{name}")
            connection.execute(update(SecretRecord).where(SecretRecord.name == name).values(sealed=again))


def reseal(connection: Connection, vault: Vault) -> int:
    """Seal again every key that is under the old master key. Returns how many they were."""
    rows = all_rows(connection, KeyRecord, select(*_COLUMNS).where(KeyRecord.sealed.is_not(None)))
    old = [row for row in rows if not vault.is_current(present(row.sealed))]
    for row in old:
        sealed = vault.seal(unseal(vault, row), purpose=purpose(row.kind, row.kid))
        unchanged = (KeyRecord.id == row.id) & (KeyRecord.sealed == row.sealed)
        connection.execute(update(KeyRecord).where(unchanged).values(sealed=sealed))
    return len(old)
