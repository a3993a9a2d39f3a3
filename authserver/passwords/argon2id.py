"""Argon2id (RFC 9106) in memory that is kept for the next hash.

A hash fills 19 MiB. glibc keeps so much in the arena of every thread that has hashed once, without end. If it gave the
memory back instead, the kernel would have to supply every page anew, which added 12 ms of CPU to a hash of 20 ms. So
the memory is kept here: as many blocks as hashes have run at once in this process.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any, Final

from argon2.low_level import ARGON2_VERSION, Type, core, error_to_str, ffi

from authserver.passwords.imported import OWN_BEGINNING
from authserver.passwords.imported.form import from_base64, to_base64

_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32


class Argon2id:
    """Makes hashes with one set of parameters, and compares with them. Safe for threads.

    Args:
        memory_kib: memory of one hash in KiB.
        time_cost: passes over the memory.
        parallelism: threads of one hash.
    """

    def __init__(self, *, memory_kib: int, time_cost: int, parallelism: int) -> None:
        self._memory_kib, self._time_cost, self._parallelism = memory_kib, time_cost, parallelism
        self._prefix = f"{OWN_BEGINNING}m={memory_kib},t={time_cost},p={parallelism}$"
        self._length = len(self.dummy_hash())
        self._idle: list[_Block] = []

    def hash(self, secret: bytes) -> str:
        """The encoded hash, with a new salt."""
        salt = secrets.token_bytes(_SALT_BYTES)
        return self._encode(salt, self._compute(secret, salt))

    def dummy_hash(self) -> str:
        """A hash that no password matches: its result is random instead of computed. Comparing costs as always."""
        return self._encode(secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_HASH_BYTES))

    def is_own(self, encoded: str) -> bool:
        """Whether a hash has the parameters of this object."""
        return encoded.startswith(self._prefix) and len(encoded) == self._length

    def matches(self, secret: bytes, encoded: str) -> bool:
        """Whether a password has this hash, which `is_own`.

        Raises:
            ValueError: the salt or the result is no base64, or too short.
        """
        salt, result = (from_base64("a part", part) for part in encoded.split("$")[-2:])
        return hmac.compare_digest(self._compute(secret, salt), result)

    def _encode(self, salt: bytes, result: bytes) -> str:
        return f"{self._prefix}{to_base64(salt)}${to_base64(result)}"

    def _compute(self, secret: bytes, salt: bytes) -> bytes:
        try:
            block = self._idle.pop()
        except IndexError:
            block = _Block(self._memory_kib)
        try:
            return self._compute_in(block, secret, salt)
        finally:
            self._idle.append(block)

    def _compute_in(self, block: _Block, secret: bytes, salt: bytes) -> bytes:
        result = ffi.new("uint8_t[]", _HASH_BYTES)
        buffers = {"out": result, "pwd": ffi.new("uint8_t[]", secret), "salt": ffi.new("uint8_t[]", salt)}
        context = ffi.new(
            "argon2_context *",
            {
                **buffers,
                "outlen": _HASH_BYTES,
                "pwdlen": len(secret),
                "saltlen": len(salt),
                "t_cost": self._time_cost,
                "m_cost": self._memory_kib,
                "lanes": self._parallelism,
                "threads": self._parallelism,
                "version": ARGON2_VERSION,
                "allocate_cbk": block.allocate,
                "free_cbk": block.free,
            },
        )
        status = core(context, Type.ID.value)
        if status != 0:  # ARGON2_OK
            raise ValueError(error_to_str(status))
        return bytes(ffi.buffer(result))


class _Block:
    """Memory of one hash, and the two functions through which Argon2 gets it. Argon2 wipes it after each use."""

    def __init__(self, kib: int) -> None:
        memory = ffi.new("uint8_t[]", kib * 1024)

        def allocate(pointer: Any, _bytes: int) -> int:
            pointer[0] = memory
            return 0

        self.allocate = ffi.callback("int(uint8_t **, size_t)", allocate)
        self.free = ffi.callback("void(uint8_t *, size_t)", lambda _memory, _bytes: None)
