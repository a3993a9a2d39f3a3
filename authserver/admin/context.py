"""What a use case works with: the database, the settings, who acts, and what is built only where it is needed."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path

from authserver.clients.registration import Lifetime, Limits
from authserver.database import Database
from authserver.keys.rotation import KeyRotation
from authserver.keys.setup import open_vault, schedule
from authserver.keys.vault import Vault
from authserver.settings import Settings
from authserver.users.hashing import PasswordHasher


class Administration:
    """Built once for each command or request. `actor` is what the audit record will say (see `audit.Entry`)."""

    def __init__(self, database: Database, settings: Settings, actor: str) -> None:
        self.database = database
        self.settings = settings
        self.actor = actor

    @cached_property
    def vault(self) -> Vault:
        """Raises `MasterKeyError` when there is no master key: an administrator never makes one by looking."""
        return open_vault(self.settings, create=False)

    @cached_property
    def rotation(self) -> KeyRotation:
        """Raises `MasterKeyError`."""
        return KeyRotation(self.database, self.vault, schedule(self.settings), algorithm=self.settings.tokens.algorithm)

    @property
    def limits(self) -> Limits:
        """The server's lifetimes, which cap a client's own."""
        tokens = self.settings.tokens
        return Limits(
            Lifetime(tokens.access_token_lifetime, tokens.max_access_token_lifetime),
            Lifetime(tokens.refresh_idle_lifetime, tokens.max_refresh_idle_lifetime),
            Lifetime(tokens.refresh_absolute_lifetime, tokens.max_refresh_absolute_lifetime),
        )

    def hash_password(self, password: str) -> str:
        """Hash outside of transactions: it takes tens of milliseconds, and locks would be held for as long.

        Not in the slots that sign-ins queue for: a password has to be set also, and above all, in a storm of them.
        """
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
