"""What a use case works with: database, settings, the actor and its authority, and parts that are built when needed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from authserver.database.engine import Database
from authserver.keys import store as keys
from authserver.keys.keyring import Keyring
from authserver.keys.rotation import KeyRotation
from authserver.keys.setup import open_vault, schedule
from authserver.keys.vault import MasterKeyError, Vault
from authserver.passwords.hasher import PasswordHasher
from authserver.records import audit
from authserver.records.audit import Caller, Event
from authserver.settings.model import Settings
from authserver.throttling.policy import Rules
from authserver.throttling.slots import Slots
from authserver.throttling.stores import open_counters
from authserver.throttling.viewing import Counts

#: The name of the secret that is the key of all counts.
THROTTLING_SECRET: Final = "throttling"


@dataclass(frozen=True, slots=True)
class AdminResources:
    """What a server builds once for all requests. The hasher does not share its slots with sign-ins."""

    vault: Vault
    keyring: Keyring
    hasher: PasswordHasher
    counts: Counts


def open_counts(settings: Settings, database: Database, vault: Vault) -> Counts:
    """The counts of failed attempts. Their key is never rotated: another key would forget all of them."""
    with database.autocommit() as connection:
        slots = Slots(keys.secret(connection, vault, THROTTLING_SECRET))
    rules = Rules.of(settings.throttling)
    return Counts(open_counters(settings, database, rules, slots), rules, slots)


@dataclass(eq=False, repr=False)
class Administration:
    """Built once for each command or request, and used by one thread.

    Audit events name `actor` (see `audit.Entry`) and `caller`, the place that the request comes from. `authority` has
    the scopes that the actor may use. None stands for the command line: its user can read the database anyway.
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
        """Whether the actor has a scope. Callers leave out additional content for which the actor lacks the scope."""
        return self.authority is None or scope in self.authority

    def check_unchanged(self, subject: Any) -> None:
        """Check `precondition`, which a caller sets if the actor decided on the basis of an earlier reading.

        Every use case that changes something calls this first, with the row or API's plan that it has locked and read.

        Raises:
            Stale: another administrator has changed it since.
        """
        if self.precondition is not None:
            self.precondition(subject)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield the connection of the open transaction, which sees its own writes, or a new one."""
        if self._open is not None:
            yield self._open
            return
        with self.database.autocommit() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction, or join the one that is open. The outermost block commits.

        So an act and the answer under its idempotency key are one transaction, and the use case need not know of it.
        Do not call a use case inside a transaction if it goes on after an error inside its own block.
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
        """Whether a transaction is open. An act of several transactions cannot be part of it."""
        return self._open is not None

    def entry(self, event: Event, **fields: Any) -> audit.Entry:
        """An audit event of this actor, from where the request came."""
        return audit.Entry(event, self.actor, caller=self.caller, **fields)

    def record(self, connection: Connection, event: Event, **fields: Any) -> None:
        """Record an audit event of this actor in the act's own transaction."""
        audit.record(connection, self.entry(event, **fields))

    @cached_property
    def vault(self) -> Vault:
        """Raises `MasterKeyError` if there is no master key: an act of administration never creates one."""
        return open_vault(self.settings, create=False) if self.resources is None else self.resources.vault

    @cached_property
    def rotation(self) -> KeyRotation:
        """Raises `MasterKeyError`."""
        return KeyRotation(self.database, self.vault, schedule(self.settings), algorithm=self.settings.tokens.algorithm)

    @cached_property
    def counts(self) -> Counts:
        """Raises `MasterKeyError`. Take it before a transaction begins: it may need a connection of its own."""
        if self.resources is not None:
            return self.resources.counts
        return open_counts(self.settings, self.database, self.vault)

    def reread_keys(self) -> None:
        """Let this process use changed keys at once. The others look every few seconds."""
        if self.resources is not None:
            with suppress(MasterKeyError):  # the change stands; /readyz says that this node cannot open the new keys
                self.resources.keyring.refresh()

    def hash_password(self, password: str) -> str:
        """Hash a password. Call it outside of transactions: it takes tens of milliseconds, and locks would wait for it.

        It does not use the slots of sign-ins: a password can be set also, and above all, in a storm of sign-ins.

        Raises:
            HashingOverloaded: in a server, if too many passwords are being set already.
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
