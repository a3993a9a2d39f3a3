"""Form tokens against forged requests (CSRF), made from a secret that only this browser's cookie and the server have.

Each rendering has another token: random bytes and their HMAC. So a compressed page repeats no secret that an attacker
could measure (BREACH).
"""

from __future__ import annotations

import hmac
import secrets

from flask import request

from authserver import base64url

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
_NONCE_BYTES = 16
_TAG_BYTES = 32


def make(secret: bytes) -> str:
    """Make a token for forms of the browser that has this secret."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return base64url.encode(nonce + _tag(secret, nonce))


def matches(secret: bytes, token: str) -> bool:
    """Whether a token was made for this secret."""
    try:
        raw = base64url.decode(token)
    except ValueError:
        return False
    if len(raw) != _NONCE_BYTES + _TAG_BYTES:
        return False
    return hmac.compare_digest(raw[_NONCE_BYTES:], _tag(secret, raw[:_NONCE_BYTES]))


def carried() -> list[tuple[str, str]]:
    """The fields of the posted form that a page may carry: all but the form token and passwords."""
    fields = request.form.items(multi=True)
    return [(name, value) for name, value in fields if name != FIELD and "password" not in name.lower()]


def _tag(secret: bytes, nonce: bytes) -> bytes:
    return hmac.digest(secret, b"authserver form " + nonce, "sha256")
