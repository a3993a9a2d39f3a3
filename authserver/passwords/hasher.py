"""Hashes passwords with Argon2id (RFC 9106) and verifies them, within the capacity that `pool` grants.

It verifies imported hashes of other systems too (`imported/`), and replaces them at their first success.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from authserver.passwords import imported
from authserver.passwords.argon2id import Argon2id
from authserver.passwords.pool import HashingOverloaded, HashingPool
from authserver.passwords.slots import HashingDirectoryRefused

__all__ = ["HashingDirectoryRefused", "HashingOverloaded", "PasswordHasher", "Verification"]

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
    """Hashes while the calling thread waits; see `HashingPool` for capacity, queue and patience.

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
        self._argon2id = Argon2id(memory_kib=memory_kib, time_cost=time_cost, parallelism=parallelism)
        self._dummy_hash = self._argon2id.dummy_hash()
        self.pool = HashingPool(directory, capacity=concurrency, queue=queue, patience=patience)

    def verify(self, password: str, encoded: str | None) -> Verification:
        """Compare a password with a stored hash, or with a dummy if the user is unknown or has no hash.

        An unknown user costs as much as a wrong password under the *current* parameters. A stored hash has its own
        cost: after a change of the settings or an import, timing tells its user from an unknown name, until the first
        sign-in rehashes. Doing more work for such users would only make another difference.

        The comparison is exact: no normalisation, no trimming. It does not check the length. A stored hash that cannot
        be read or is too expensive matches nothing, costs as much as an unknown user, and is logged without its text.
        """
        stored = self._dummy_hash if encoded is None else encoded
        return self.pool.run(partial(self._verify, _to_bytes(password), stored))

    def hash(self, password: str) -> str:
        """The encoded hash to store, with a new salt. Does not check the rules of passwords (`rules`)."""
        return self.pool.run(partial(self._argon2id.hash, _to_bytes(password)))

    def _verify(self, secret: bytes, stored: str) -> Verification:
        try:
            matches = self._compare(secret, stored)
        except ValueError as error:
            _log.error("A stored password hash cannot be read: %s", type(error).__name__)
            self._argon2id.matches(secret, self._dummy_hash)
            return Verification(matches=False, unreadable=True)
        if matches and not self._argon2id.is_own(stored):
            return Verification(matches=True, rehashed=self._argon2id.hash(secret))
        return Verification(matches)

    def _compare(self, secret: bytes, encoded: str) -> bool:
        if self._argon2id.is_own(encoded):
            return self._argon2id.matches(secret, encoded)
        return imported.read(encoded).matches(secret)


def _to_bytes(password: str) -> bytes:
    """Lone surrogates pass: the error that a strict encoding raises would carry the password in its arguments."""
    return password.encode("utf-8", "surrogatepass")
