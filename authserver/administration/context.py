"""What a use case works with: the database, the settings, who acts, what they may do, and what is built only where needed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from authserver.database.engine import Database
from authserver.keys.keyring import Keyring
from authserver.keys.rotation import KeyRotation
from authserver.keys.setup import open_vault, schedule
from authserver.keys.vault import MasterKeyError, Vault
from authserver.passwords.hasher import PasswordHasher
from authserver.records import audit
from authserver.records.audit import Caller, Event
from authserver.settings.model import Settings


@dataclass(frozen=True, slots=True)
class AdminResources:
    """What a server has built once for all requests. The hasher has slots of its own: sign-ins have theirs."""

    vault: Vault
    keyring: Keyring
    hasher: PasswordHasher


@dataclass(eq=False, repr=False)
class Administration:
    """Built once for each command or request, and used by one thread.

    `actor` is what the audit record will say (see `audit.Entry`), `caller` where the request came from. `authority`
    has the scopes that the actor may use; None is the command line: whoever can start it can read the database too.
    """

    database: Database
    settings: Settings
    actor: str
    _: KW_ONLY
    authority: frozenset[str] | None = None
    caller: Caller = Caller()
    resources: AdminResources | None = None
    precondition: Callable[[Any], None] | None = field(default=None, init=False)
    _open: Connection | None = field(default=None, init=False)

    @property
    def waits(self) -> bool:
        """Whether the actor waits for a sweep that may take long. A request does not: the server sweeps by itself."""
        return self.resources is None

    def may(self, scope: str) -> bool:
        """Whether the actor has a scope: for what is shown beside what was asked for, which is left out without it."""
        return self.authority is None or scope in self.authority

    def check_unchanged(self, subject: Any) -> None:
        """Every use case that changes something calls this with what it has locked and read, before it changes it.

        `precondition` is set by whoever has shown it to the actor before: it gets a row, or an API's plan.

        Raises:
            Stale: somebody else changed it meanwhile.
        """
        if self.precondition is not None:
            self.precondition(subject)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with: that of the open transaction, which sees what it wrote, or one of its own."""
        if self._open is not None:
            yield self._open
            return
        with self.database.autocommit() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction of the database, or the one that is open already: then the outermost block commits for all.

        So an act and what has to be written with it (the answer to an idempotency key) are one transaction, without
        the use case knowing. A use case that goes on after an error inside of its block must not be called that way.
        """
        if self._open is not None:
            yield self._open
            return
        with self.database.transaction() as connection:
            self._open = connection
            try:
                yield connection
            finally:
                self._open = None

    @property
    def in_transaction(self) -> bool:
        """Whether the caller holds a transaction open: an act of several transactions cannot be part of it."""
        return self._open is not None

    def entry(self, event: Event, **fields: Any) -> audit.Entry:
        """An audit event of this actor, from where the request came."""
        return audit.Entry(event, self.actor, caller=self.caller, **fields)

    def record(self, connection: Connection, event: Event, **fields: Any) -> None:
        """Record an audit event of this actor in the act's own transaction."""
        audit.record(connection, self.entry(event, **fields))

    @cached_property
    def vault(self) -> Vault:
        """Raises `MasterKeyError` when there is no master key: an administrator never makes one by looking."""
        return open_vault(self.settings, create=False) if self.resources is None else self.resources.vault

    @cached_property
    def rotation(self) -> KeyRotation:
        """Raises `MasterKeyError`."""
        return KeyRotation(self.database, self.vault, schedule(self.settings), algorithm=self.settings.tokens.algorithm)

    def reread_keys(self) -> None:
        """Let this process follow a change of keys at once. The others look every few seconds."""
        if self.resources is not None:
            with suppress(MasterKeyError):  # the change stands; /readyz says that this node cannot open the new keys
                self.resources.keyring.refresh()

    def hash_password(self, password: str) -> str:
        """Hash outside of transactions: it takes tens of milliseconds, and locks would be held for as long.

        Not in the slots that sign-ins queue for: a password has to be set also, and above all, in a storm of them.

        Raises:
            HashingOverloaded: in a server, when too many passwords are being set already.
        """
        if self.resources is not None:
            return self.resources.hasher.hash(password)
        passwords = self.settings.passwords
        with tempfile.TemporaryDirectory(prefix="authserver-hashing-") as directory:
            hasher = PasswordHasher(
                Path(directory),
                memory_kib=passwords.argon2_memory_kib,
                time_cost=passwords.argon2_time_cost,
                parallelism=passwords.argon2_parallelism,
                concurrency=1,
                queue=1,
            )
            return hasher.hash(password)
