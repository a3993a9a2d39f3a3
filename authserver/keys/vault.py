"""The vault seals keys for the database under a master key that is kept elsewhere. A copy of the database opens no key.

While one master key replaces another, the vault has both. It opens values under either, and seals under the new one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MASTER_KEY_BYTES = 32
_FINGERPRINT_BYTES = 8
_NONCE_BYTES = 12


class MasterKeyError(Exception):
    """The master key is missing, unreadable, or not the one that the keys were sealed under."""


class Vault:
    """Seals and opens small secrets with AES-256-GCM under keys derived from the master key.

    A sealed value is: fingerprint of the master key (8 bytes), nonce (12), ciphertext and tag. The fingerprint names
    the key to open it with, and tells a wrong master key from a damaged row.
    """

    def __init__(self, master_key: bytes, old_master_key: bytes | None = None) -> None:
        self._master_key = master_key
        self.fingerprint = _fingerprint(master_key)
        keys = [key for key in (master_key, old_master_key) if key is not None]
        self._ciphers = {_fingerprint(key): AESGCM(_derive(key, b"authserver v1 key encryption")) for key in keys}
        self._tag_keys = [_derive(key, b"authserver v1 tags") for key in keys]

    def seal(self, secret: bytes, *, purpose: str) -> bytes:
        """Encrypt; `purpose` must be the same at `open`, so that a row's value cannot serve in another row's place."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self.fingerprint + nonce + self._ciphers[self.fingerprint].encrypt(nonce, secret, purpose.encode())

    def open(self, sealed: bytes, *, purpose: str) -> bytes:
        """Decrypt what `seal` made.

        Raises:
            MasterKeyError: the value was altered, or sealed under a master key that this vault does not have.
        """
        fingerprint, rest = sealed[:_FINGERPRINT_BYTES], sealed[_FINGERPRINT_BYTES:]
        cipher = self._ciphers.get(fingerprint)
        if cipher is None:
            raise MasterKeyError(
                f"the keys in the database are sealed under master key {fingerprint.hex()}, "
                f"but the one at hand is {self.fingerprint.hex()}; restore that key (docs/keys.md says what else helps)"
            )
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], purpose.encode())
        except InvalidTag as error:
            raise MasterKeyError(f"a sealed value was altered or moved ({purpose})") from error

    def tag(self, data: bytes) -> bytes:
        """32 bytes by which `is_tag` recognises the data. Testing a guess against them takes the master key."""
        return hmac.digest(self._tag_keys[0], data, "sha256")

    def is_tag(self, tag: bytes, data: bytes) -> bool:
        """Whether `tag` made this tag from this data, under the present master key or the old one."""
        return any(hmac.compare_digest(tag, hmac.digest(key, data, "sha256")) for key in self._tag_keys)

    def is_current(self, sealed: bytes) -> bool:
        """Whether a value is sealed under the present master key, not the old one."""
        return sealed[:_FINGERPRINT_BYTES] == self.fingerprint

    def reference_key(self) -> bytes:
        """The 64-byte key that refusal references are sealed with; every node derives the same."""
        return _derive(self._master_key, b"authserver v1 references", 64)

    def pages_key(self) -> bytes:
        """The key that the pages' own short messages are signed with; every node derives the same."""
        return _derive(self._master_key, b"authserver v1 pages")


def embedded_master_key(path: Path) -> bytes:
    """Read the embedded master key, or make it on first use: mode 0600, in a directory of mode 0700.

    Raises:
        MasterKeyError: the file cannot be read or made, is open to others, or holds no key.
    """
    try:
        if not path.exists():
            _create(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise MasterKeyError(f"{path} can be read by others; make it private: chmod 600 {path}")
        key = base64.urlsafe_b64decode(path.read_text().strip() + "==")
    except OSError as error:
        raise MasterKeyError(f"the master key file {path} cannot be used: {error.strerror}") from error
    except ValueError as error:
        raise MasterKeyError(f"{path} holds no base64url text") from error
    if len(key) != MASTER_KEY_BYTES:
        raise MasterKeyError(f"{path} holds {len(key)} bytes instead of {MASTER_KEY_BYTES}")
    return key


def _create(path: Path) -> None:
    """Write a new key to another file and link it into place: processes that start at once all get the same key."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(base64.urlsafe_b64encode(secrets.token_bytes(MASTER_KEY_BYTES)).decode().rstrip("=") + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _fingerprint(master_key: bytes) -> bytes:
    return hashlib.sha256(b"authserver master key fingerprint" + master_key).digest()[:_FINGERPRINT_BYTES]


def _derive(master_key: bytes, info: bytes, length: int = 32) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=info).derive(master_key)
