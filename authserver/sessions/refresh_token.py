"""The refresh token: its wire form, its tag, and its successor (DESIGN section 5).

A token is `asrt_` and 72 bytes in base64url:

    version 1 | key id 3 | session id 16 | generation 4 | secret 32 | tag 16

The tag is a truncated HMAC-SHA256 over all before it. A token whose tag is wrong is refused before the database hears
of it: nobody can end a session by guessing, nor load the database with garbage. The length is a multiple of three, so
there is one spelling of each token and no spare bits to vary.
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
    """A refresh token taken apart. Has no repr: it holds a secret.

    Parsing proves nothing: `is_genuine` tells whether this server made it.
    """

    key_id: int
    session_id: UUID
    generation: int
    secret: bytes
    tag: bytes

    @property
    def digest(self) -> bytes:
        """What the session's row keeps of the secret: SHA-256. The secret is random, so nothing slower is needed."""
        return hashlib.sha256(self.secret).digest()

    def is_genuine(self, key: TokenKey) -> bool:
        """Whether the tag was made with this key. Constant time."""
        return hmac.compare_digest(self.tag, _tag(key, self.key_id, self.session_id, self.generation, self.secret))

    def encode(self) -> str:
        """The wire form."""
        head = _HEAD.pack(_VERSION << 24 | self.key_id, self.session_id.bytes, self.generation)
        return PREFIX + base64.urlsafe_b64encode(head + self.secret + self.tag).decode()


def parse(text: str) -> RefreshToken:
    """Take a token apart.

    Raises:
        Malformed: not of the form, or of another version.
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
    """The token that follows the presented one.

    Every node computes the same from the same token, key and salt, which is what makes a retry answerable although no
    token is stored. A database copy lacks the key and the presented secret; a leaked key lacks the salt of the row.
    """
    message = presented.session_id.bytes + generation.to_bytes(4, "big") + salt + presented.secret
    secret = hmac.digest(key.successor_key, message, "sha256")
    return issue(key, presented.session_id, generation, secret)


def _tag(key: TokenKey, key_id: int, session_id: UUID, generation: int, secret: bytes) -> bytes:
    head = _HEAD.pack(_VERSION << 24 | key_id, session_id.bytes, generation)
    return hmac.digest(key.tag_key, PREFIX.encode() + head + secret, "sha256")[:_TAG_BYTES]
