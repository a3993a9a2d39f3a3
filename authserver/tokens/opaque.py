"""Opaque access tokens: sealed, not stored. Only authserver can read them; an API introspects them.

`asat_` and, in base64url: version 1 | key id 3 | nonce 12 | AES-256-GCM of the claims as JSON. So the claims stay
hidden, and no row is written for a token.
"""

from __future__ import annotations

import json
import re
import secrets
import struct
from typing import Any

from cryptography.exceptions import InvalidTag

from authserver import base64url
from authserver.keys.keyring import Keyring, Snapshot

PREFIX = "asat_"
_VERSION = 1
_NONCE_BYTES = 12
_HEAD = struct.Struct(">I")
_FORM = re.compile(PREFIX + r"[A-Za-z0-9_-]{40,}")


def seal(keys: Snapshot, claims: dict[str, Any]) -> str:
    """Make the token of these claims."""
    key = keys.opaque
    head = _HEAD.pack(_VERSION << 24 | key.id)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = key.cipher.encrypt(nonce, json.dumps(claims, separators=(",", ":")).encode(), PREFIX.encode() + head)
    return PREFIX + base64url.encode(head + nonce + sealed)


def unseal(keyring: Keyring, text: str) -> dict[str, Any] | None:
    """Return the claims of a token that this server sealed; None for anything else. Does not check the times."""
    if not _FORM.fullmatch(text):
        return None
    try:
        raw = base64url.decode(text[len(PREFIX) :])
    except ValueError:
        return None
    (version_and_key,) = _HEAD.unpack_from(raw)
    key = keyring.opaque_key(version_and_key & 0xFFFFFF) if version_and_key >> 24 == _VERSION else None
    if key is None:
        return None
    head, rest = raw[: _HEAD.size], raw[_HEAD.size :]
    try:
        opened = key.cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], PREFIX.encode() + head)
        claims: dict[str, Any] = json.loads(opened)
    except (InvalidTag, ValueError):
        return None
    return claims
