"""Key rotation: a key is published as next, serves as active, and stays published while tokens made with it are valid.

Any node may run any of this at any time: conditional statements and unique indexes claim each step, and a node that
comes second finds it done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from authserver.database.engine import Database
from authserver.database.tables import present
from authserver.keys import store
from authserver.keys.material import NewKey, new_key
from authserver.keys.model import KeyRecord, Kind, State
from authserver.keys.vault import Vault
from authserver.records import audit
from authserver.records.audit import Caller, Event
from authserver.refusals.problems import Problem


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long keys serve, all in seconds.

    `publish_ahead` is how long a next key must have been published before it is used: the JWKS lifetime and the nodes'
    own caches. `keep` is how long a retired key stays published: the longest life of anything made with it.
    """

    lifetime: dict[Kind, int]
    publish_ahead: dict[Kind, int]
    keep: dict[Kind, int]


class RotationRefused(Exception):
    """The rotation cannot be done now; the text says why and what can be done."""


class _AlreadyPromoted(Exception):
    """Another node has promoted the key; raised to roll the half-done step back."""


class KeyRotation:
    """Makes and promotes keys, marks them as leaked, and erases the secrets of old ones."""

    def __init__(self, database: Database, vault: Vault, schedule: Schedule, *, algorithm: str) -> None:
        self._database = database
        self._vault = vault
        self._schedule = schedule
        self._algorithm = algorithm

    def ensure(self) -> None:
        """Make the first keys where there are none. Safe when many nodes start at once."""
        for kind in Kind:
            keys = self._next_and_active(kind)
            for state in (State.ACTIVE, State.NEXT):
                if state not in keys:
                    self._create(kind, state)

    def maintain(self) -> None:
        """Do what is due: promote next keys, replace a next key of another algorithm, erase old secrets."""
        self.ensure()
        for kind in Kind:
            keys = self._next_and_active(kind)
            active, following = keys[State.ACTIVE], keys[State.NEXT]
            if kind is Kind.SIGNING and following.algorithm != self._algorithm:
                self._replace_next(following.id)
            elif self._is_due(kind, active, following):
                self._promote(kind, active, following, actor="server")
        with self._database.transaction() as connection:
            store.erase_due(connection)

    def rotate(self, kind: Kind, *, at_once: bool, actor: str, caller: Caller = Caller()) -> None:
        """Promote the published next key.

        Without `at_once` it must have been published long enough for every API and node to know it.

        Raises:
            RotationRefused: not published long enough yet, or another node rotated at the same moment.
        """
        self.ensure()
        keys = self._next_and_active(kind)
        active, following = keys[State.ACTIVE], keys[State.NEXT]
        missing = self._ms_until_known(kind, following)
        if missing > 0 and not at_once:
            raise RotationRefused(
                Problem(
                    f"the next {kind.value} key is not known to every API and node yet: wait {-(-missing // 1000)} s",
                    for_command_line=", or give --now and read docs/keys.md for what that costs",
                )
            )
        if not self._promote(kind, active, following, actor=actor, caller=caller):
            raise RotationRefused(
                Problem("another node rotated at the same moment", for_command_line="; see: authserver keys list")
            )

    def mark_leaked(self, key_id: int, *, actor: str, caller: Caller = Caller()) -> None:
        """Stop trusting a key. It is gone at once, except a token key: it still reads tokens but proves no theft.

        Raises:
            RotationRefused: there is no such key, or another node changed its state at the same moment.
        """
        row = next((row for row in all_keys(self._database) if row.id == key_id), None)
        if row is None or row.state == State.GONE:
            raise RotationRefused(
                Problem(f"there is no key {key_id} in use", for_command_line="; see: authserver keys list")
            )
        if row.state == State.ACTIVE:
            self.rotate(Kind(row.kind), at_once=True, actor=actor, caller=caller)
        with self._database.transaction() as connection:
            if not store.mark_leaked(connection, key_id):
                raise RotationRefused(f"key {key_id} changed its state at the same moment; try again")
            audit.record(connection, audit.Entry(Event.KEY_LEAKED, actor, subject=str(key_id), caller=caller))
        self.ensure()

    def mark_all_leaked(self, *, actor: str, caller: Caller = Caller()) -> list[int]:
        """Stop trusting every key that there is now, as `mark_leaked` does. Returns their ids.

        The next keys come first: an active key that is marked makes way for the next one, which must be a new one.
        """
        trusted = [row for row in all_keys(self._database) if row.state != State.GONE and not row.leaked]
        trusted.sort(key=lambda row: row.state != State.NEXT)
        for row in trusted:
            self.mark_leaked(row.id, actor=actor, caller=caller)
        return [row.id for row in trusted]

    def rewrap(self, *, actor: str, caller: Caller = Caller()) -> int:
        """Seal every key under the present master key. Users stay signed in. Returns how many keys were resealed."""
        with self._database.transaction() as connection:
            count = store.reseal(connection, self._vault)
            store.reseal_secrets(connection, self._vault)
            entry = audit.Entry(Event.KEYS_REWRAPPED, actor, subject="all", caller=caller, detail={"keys": count})
            audit.record(connection, entry)
        return count

    def _next_and_active(self, kind: Kind) -> dict[State, KeyRecord]:
        rows = all_keys(self._database)
        return {State(row.state): row for row in rows if row.kind == kind and row.state in (State.NEXT, State.ACTIVE)}

    def _is_due(self, kind: Kind, active: KeyRecord, following: KeyRecord) -> bool:
        worn_out = active.now - present(active.activated_at) >= self._schedule.lifetime[kind] * 1000
        other_algorithm = kind is Kind.SIGNING and active.algorithm != following.algorithm
        return (worn_out or other_algorithm) and self._ms_until_known(kind, following) <= 0

    def _ms_until_known(self, kind: Kind, following: KeyRecord) -> int:
        return following.created_at + self._schedule.publish_ahead[kind] * 1000 - following.now

    def _create(self, kind: Kind, state: State) -> None:
        key = new_key(kind, self._algorithm)
        try:
            with self._database.transaction() as connection:
                self._add(connection, key, state)
        except IntegrityError:
            return  # another node made it between the check and the insert

    def _add(self, connection: Connection, key: NewKey, state: State) -> None:
        """Store a key. Make it before the transaction: RSA takes long, and SQLite has only one write lock."""
        store.add(connection, self._vault, key, state)
        entry = audit.Entry(Event.KEY_CREATED, "server", subject=key.kind.value, detail={"kid": key.kid or ""})
        audit.record(connection, entry)

    def _replace_next(self, key_id: int) -> None:
        key = new_key(Kind.SIGNING, self._algorithm)
        with self._database.transaction() as connection:
            if store.drop_next(connection, key_id):
                self._add(connection, key, State.NEXT)

    def _promote(
        self, kind: Kind, active: KeyRecord, following: KeyRecord, *, actor: str, caller: Caller = Caller()
    ) -> bool:
        after = new_key(kind, self._algorithm)
        try:
            with self._database.transaction() as connection:
                keep_ms = self._schedule.keep[kind] * 1000
                if not store.promote(connection, kind, active=active.id, following=following.id, keep_ms=keep_ms):
                    raise _AlreadyPromoted
                self._add(connection, after, State.NEXT)
                detail = {"kind": kind.value}
                entry = audit.Entry(Event.KEY_PROMOTED, actor, subject=str(following.id), caller=caller, detail=detail)
                audit.record(connection, entry)
        except (_AlreadyPromoted, IntegrityError):
            return False
        return True


def all_keys(database: Database) -> Sequence[KeyRecord]:
    """Every key ever made, for lists."""
    with database.autocommit() as connection:
        return store.all_keys(connection)
