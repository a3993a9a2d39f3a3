"""The keyring: every key of the table, opened and parsed, in this process's memory.

It is read again when it is older than `max_age`, so that all nodes follow a change within seconds. When the database is
away, or a node does not have a new master key yet, the last snapshot stays in use. The rows show which keys are gone or
leaked even without a master key, so no node goes on trusting such a key.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog
from joserfc.jwk import KeySet

from authserver.database import deadlines
from authserver.database.engine import Database
from authserver.database.failures import Unavailable
from authserver.database.rereading import Rereading
from authserver.database.tables import present
from authserver.keys import store
from authserver.keys.material import OpaqueKey, SigningKey, TokenKey, open_opaque_key, open_signing_key, open_token_key
from authserver.keys.model import KeyRecord, Kind, State
from authserver.keys.vault import MasterKeyError, Vault
from authserver.refusals.exceptions import TryLater
from authserver.refusals.reasons import Reason

_Key = TypeVar("_Key", TokenKey, OpaqueKey)

_log = structlog.get_logger("authserver.keys")

#: An unknown key id may be a key that another node has just made. Ask the database, but not for every forged token.
_REREAD_SECONDS = 1.0
#: Ids count up, with gaps where nodes made a key at the same moment. An id further away is no key of this server.
_PLAUSIBLE_IDS = 1000


class NoKeys(Exception):
    """The key table holds no active key: the server has not been started on this database yet."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The keys as they stood at one moment. `jwks` is the document's bytes, `etag` its strong validator, quoted."""

    signing: SigningKey
    token: TokenKey
    token_keys: Mapping[int, TokenKey]
    opaque: OpaqueKey
    opaque_keys: Mapping[int, OpaqueKey]
    newest_id: int
    published: KeySet
    kids: frozenset[str]
    algorithms: tuple[str, ...]
    jwks: bytes
    etag: str


class Keyring:
    """Gives the keys in force. Safe for threads; one per process."""

    def __init__(self, database: Database, vault: Vault, *, max_age: float) -> None:
        self._database = database
        self._vault = vault
        self._max_age = max_age
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._read_at = float("-inf")  # when the last attempt ended
        self._known_at = float("-inf")  # when the last attempt that succeeded began
        self._problem: MasterKeyError | None = None
        self._signing: dict[str | None, SigningKey] = {}
        self._rereading = Rereading(self.current)

    def current(self) -> Snapshot:
        """The keys in force, at most `max_age` seconds old while the database answers. Usually no statement.

        Raises:
            NoKeys: there are none yet.
            MasterKeyError: they are sealed under another master key, and none were read before.
        """
        snapshot = self._snapshot
        if snapshot is not None and time.monotonic() - self._read_at < self._max_age:
            return snapshot
        # One thread reads, and the others use the old snapshot: a database that hangs must not block them.
        return self._reread(self._max_age, wait=False)

    def at_hand(self) -> Snapshot:
        """The keys in force as `current` has them, but without a wait for a database that is slow."""
        if self._snapshot is not None and time.monotonic() - self._read_at >= self._max_age:
            self._rereading.wait()
        return self._snapshot or self.current()

    def token_key(self, key_id: int) -> TokenKey | None:
        """The token key of this id, even if another node made it a moment ago; None if it does not exist.

        Raises:
            TryLater: it may be newer than the keys that this node has seen. A refusal could sign a user out by mistake.
        """
        return self._find(key_id, lambda snapshot: snapshot.token_keys)

    def opaque_key(self, key_id: int) -> OpaqueKey | None:
        """The key of this id for opaque access tokens. Finds it, and raises, as `token_key` does."""
        return self._find(key_id, lambda snapshot: snapshot.opaque_keys)

    def _find(self, key_id: int, kind: Callable[[Snapshot], Mapping[int, _Key]]) -> _Key | None:
        asked_at = time.monotonic()
        snapshot = self.current()
        if key_id in kind(snapshot) or not 0 < key_id - snapshot.newest_id <= _PLAUSIBLE_IDS:
            return kind(snapshot).get(key_id)
        snapshot = self._reread(_REREAD_SECONDS)
        if key_id not in kind(snapshot) and self._known_at < asked_at:
            raise TryLater(Reason.TOKEN_KEY_NOT_SEEN, retry_after=1)
        return kind(snapshot).get(key_id)

    def snapshot_with(self, kid: str) -> Snapshot:
        """The keys in force, read again (at most once a second) when this signing key is not among them."""
        snapshot = self.current()
        return snapshot if kid in snapshot.kids else self._reread(_REREAD_SECONDS)

    def refresh(self) -> Snapshot:
        """Read the table now: after a change by this process, or to see whether it can be read.

        Raises:
            MasterKeyError: even when the last known keys stay in use.
        """
        snapshot = self._reread(0)
        if self._problem is not None:
            raise self._problem
        return snapshot

    def _reread(self, max_age: float, *, wait: bool = True) -> Snapshot:
        present = self._snapshot
        seconds = deadlines.for_a_lock() if wait or present is None else 0
        if not self._lock.acquire(timeout=seconds):
            if present is None:
                raise TryLater(Reason.TOKEN_KEY_NOT_SEEN, retry_after=1)
            return present
        try:
            if self._snapshot is not None and time.monotonic() - self._read_at < max_age:
                return self._snapshot  # another thread was first
            began = time.monotonic()
            try:
                self._snapshot, self._known_at, self._problem = self._read(), began, None
            except (*Unavailable, MasterKeyError) as problem:
                if self._snapshot is None:
                    raise
                self._problem = problem if isinstance(problem, MasterKeyError) else None
                reason = str(self._problem or "the database did not answer")
                _log.warning("keys_not_reread", reason=f"{reason}; the last known keys stay in use")
            self._read_at = time.monotonic()
            return self._snapshot
        finally:
            self._lock.release()

    def _read(self) -> Snapshot:
        with self._database.autocommit() as connection:
            every = store.all_keys(connection)
        try:
            return self._open(every)
        except MasterKeyError:
            if self._snapshot is not None:
                self._snapshot = _still_trusted(self._snapshot, every)
            raise

    def _open(self, every: Sequence[KeyRecord]) -> Snapshot:
        rows = [row for row in every if row.sealed is not None]
        token_keys = {row.id: open_token_key(self._vault, row) for row in rows if row.kind == Kind.TOKEN}
        opaque_keys = {row.id: open_opaque_key(self._vault, row) for row in rows if row.kind == Kind.OPAQUE}
        # A kid is the thumbprint of its key, so a parsed key never goes stale.
        self._signing = {
            row.kid: self._signing.get(row.kid) or open_signing_key(self._vault, row)
            for row in rows
            if row.kind == Kind.SIGNING
        }
        active = {row.kind: row for row in rows if row.state == State.ACTIVE}
        if len(active) < len(Kind):
            raise NoKeys("there are no keys yet; start the server once: authserver serve")
        return Snapshot(
            signing=self._signing[active[Kind.SIGNING].kid],
            token=token_keys[active[Kind.TOKEN].id],
            token_keys=token_keys,
            opaque=opaque_keys[active[Kind.OPAQUE].id],
            opaque_keys=opaque_keys,
            newest_id=max(row.id for row in every),
            **_public_part(rows),
        )


def _public_part(rows: Sequence[KeyRecord]) -> dict[str, Any]:
    """The fields of a snapshot that are public."""
    signing = [row for row in rows if row.kind == Kind.SIGNING]
    public = [json.loads(present(row.public_jwk)) for row in signing]
    jwks = json.dumps({"keys": public}).encode()
    return {
        "published": KeySet.import_key_set({"keys": public}),
        "kids": frozenset(row.kid for row in signing),
        "algorithms": tuple(sorted({row.algorithm for row in signing})),
        "jwks": jwks,
        "etag": f'"{hashlib.sha256(jwks).hexdigest()[:32]}"',
    }


def _still_trusted(snapshot: Snapshot, every: Sequence[KeyRecord]) -> Snapshot:
    """The last snapshot without the keys that are gone by now, and with the present marks of leaks."""
    kept = {row.id: row for row in every if row.sealed is not None}
    tokens = [replace(key, leaked=kept[key.id].leaked) for key in snapshot.token_keys.values() if key.id in kept]
    return replace(
        snapshot,
        token_keys={key.id: key for key in tokens},
        opaque_keys={key.id: key for key in snapshot.opaque_keys.values() if key.id in kept},
        **_public_part(list(kept.values())),
    )
