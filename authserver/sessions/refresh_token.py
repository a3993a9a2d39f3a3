"""The refresh token: its wire form, its tag, and its successor (docs/architecture.md, "The refresh token").

A token is `asrt_` and 72 bytes in base64url:

    version 1 | key id 3 | session id 16 | generation 4 | secret 32 | tag 16

The tag is a truncated HMAC-SHA256 over all bytes before it. A token with a wrong tag is refused without a statement:
an attacker cannot end a session by guessing, nor load the database with garbage. The length is a multiple of three, so
base64url has no spare bits and each token has one spelling.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import struct
from dataclasses import dataclass
from uuid import UUID

from authserver.keys.material import TokenKey

PREFIX = "asrt_"
SECRET_BYTES = 32
SALT_BYTES = 16
MAX_GENERATION = 2**32 - 1

_VERSION = 1
_TAG_BYTES = 16
_HEAD = struct.Struct(">I16sI")
_FORM = re.compile(PREFIX + r"[A-Za-z0-9_-]{96}")


class Malformed(ValueError):
    """The text does not have the form of a refresh token."""


@dataclass(frozen=True, slots=True, repr=False)
class RefreshToken:
    """The parts of a refresh token. It has no repr, because it holds a secret.

    Parsing proves nothing: `is_genuine` checks whether this server made it.
    """

    key_id: int
    session_id: UUID
    generation: int
    secret: bytes
    tag: bytes

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the secret, for the session's row. The secret is random, so no slow hash is needed."""
        return hashlib.sha256(self.secret).digest()

    def is_genuine(self, key: TokenKey) -> bool:
        """Whether the tag was made with this key. Takes constant time."""
        return hmac.compare_digest(self.tag, _tag(key, self.key_id, self.session_id, self.generation, self.secret))

    def encode(self) -> str:
        """The wire form."""
        head = _HEAD.pack(_VERSION << 24 | self.key_id, self.session_id.bytes, self.generation)
        return PREFIX + base64.urlsafe_b64encode(head + self.secret + self.tag).decode()


def parse(text: str) -> RefreshToken:
    """Split a token into its parts.

    Raises:
        Malformed: it does not have the form, or has another version.
    """
    if not _FORM.fullmatch(text):
        raise Malformed("not a refresh token")
    raw = base64.urlsafe_b64decode(text[len(PREFIX) :])
    version_and_key, session_id, generation = _HEAD.unpack_from(raw)
    if version_and_key >> 24 != _VERSION:
        raise Malformed("a refresh token of another version")
    secret, tag = raw[_HEAD.size : -_TAG_BYTES], raw[-_TAG_BYTES:]
    return RefreshToken(version_and_key & 0xFFFFFF, UUID(bytes=session_id), generation, secret, tag)


def issue(key: TokenKey, session_id: UUID, generation: int, secret: bytes) -> RefreshToken:
    """Make a token with its tag."""
    return RefreshToken(key.id, session_id, generation, secret, _tag(key, key.id, session_id, generation, secret))


def first_token(key: TokenKey, session_id: UUID) -> RefreshToken:
    """The token of a new session: generation 0 and a random secret."""
    return issue(key, session_id, 0, secrets.token_bytes(SECRET_BYTES))


def successor(key: TokenKey, presented: RefreshToken, generation: int, salt: bytes) -> RefreshToken:
    """Compute the token that follows the presented one.

    Every node computes the same successor from the same token, key and salt. So a retry can be answered although no
    token is stored. A database copy lacks the key and the presented secret; a leaked key lacks the salt of the row.
    """
    message = presented.session_id.bytes + generation.to_bytes(4, "big") + salt + presented.secret
    secret = hmac.digest(key.successor_key, message, "sha256")
    return issue(key, presented.session_id, generation, secret)


def _tag(key: TokenKey, key_id: int, session_id: UUID, generation: int, secret: bytes) -> bytes:
    head = _HEAD.pack(_VERSION << 24 | key_id, session_id.bytes, generation)
    return hmac.digest(key.tag_key, PREFIX.encode() + head + secret, "sha256")[:_TAG_BYTES]
