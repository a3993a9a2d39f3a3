"""Hashes passwords with Argon2id (RFC 9106) and verifies them, within the capacity that `pool` grants.

It verifies imported hashes of other systems too (`imported/`), and replaces them at their first success.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from pathlib import Path

import argon2

from authserver.passwords import imported
from authserver.passwords.imported.form import to_base64
from authserver.passwords.pool import HashingOverloaded, HashingPool
from authserver.passwords.slots import HashingDirectoryRefused

__all__ = ["HashingDirectoryRefused", "HashingOverloaded", "PasswordHasher", "Verification"]

_SALT_BYTES = 16
_HASH_BYTES = 32

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a password matches. When the stored hash has old parameters, `rehashed` is the new hash to store.

    `unreadable` says that the stored hash could not be used, so that no password matches it.
    """

    matches: bool
    rehashed: str | None = None
    unreadable: bool = False


class PasswordHasher:
    """Hashes in the calling thread, which waits for its turn; see `HashingPool` for capacity, queue and patience.

    Every call may raise `HashingOverloaded`. `pool` has the figures for metrics.

    Args:
        directory: private to this user and shared by all workers of the machine: it holds the slot files.
        memory_kib: memory of one hash in KiB.
        time_cost: passes over the memory.
        parallelism: threads of one hash. The capacity counts hashes, each of which takes this many cores.

    Raises:
        HashingDirectoryRefused: at construction.
    """

    def __init__(
        self,
        directory: Path,
        *,
        memory_kib: int,
        time_cost: int,
        parallelism: int,
        concurrency: int | None,
        queue: int,
        patience: float = 5.0,
    ) -> None:
        self._argon2 = argon2.PasswordHasher(
            time_cost=time_cost,
            memory_cost=memory_kib,
            parallelism=parallelism,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
            type=argon2.Type.ID,
        )
        # The result is random instead of computed: no password matches it, and comparing costs as much as always.
        self._prefix = f"{imported.OWN_BEGINNING}m={memory_kib},t={time_cost},p={parallelism}$"
        salt, result = (to_base64(secrets.token_bytes(length)) for length in (_SALT_BYTES, _HASH_BYTES))
        self._dummy_hash = f"{self._prefix}{salt}${result}"
        self.pool = HashingPool(directory, capacity=concurrency, queue=queue, patience=patience)

    def verify(self, password: str, encoded: str | None) -> Verification:
        """Compare a password with a stored hash, or with a dummy if the user is unknown or has no hash.

        An unknown user costs as much as a wrong password under the *current* parameters. A stored hash has its own
        cost: after a change of the settings or an import, timing tells its user from an unknown name, until the first
        sign-in rehashes. Doing more work for such users would only make another difference.

        The comparison is exact: no normalisation, no trimming. It does not check the length. A stored hash that cannot
        be read or is too expensive matches nothing, costs as much as an unknown user, and is logged without its text.
        """
        secret = _to_bytes(password)
        with self.pool.slot():
            matches = unreadable = False
            try:
                matches = encoded is not None and imported.read(encoded).matches(secret)
            except ValueError as error:
                _log.error("A stored password hash cannot be read: %s", type(error).__name__)
                unreadable = True
            if encoded is None or unreadable:
                imported.read(self._dummy_hash).matches(secret)
            elif matches and not self._is_current(encoded):
                return Verification(matches=True, rehashed=self._argon2.hash(secret))
            return Verification(matches, unreadable=unreadable)

    def hash(self, password: str) -> str:
        """The encoded hash to store, with a new salt. Does not check the rules of passwords (`rules`)."""
        with self.pool.slot():
            return self._argon2.hash(_to_bytes(password))

    def _is_current(self, encoded: str) -> bool:
        """Whether it is as the settings ask for now."""
        return encoded.startswith(self._prefix) and len(encoded) == len(self._dummy_hash)


def _to_bytes(password: str) -> bytes:
    """Lone surrogates pass: the error that a strict encoding raises would carry the password in its arguments."""
    return password.encode("utf-8", "surrogatepass")
