"""Form tokens against forged requests (CSRF): made from a secret that only this browser's cookie and the server hold.

Each rendering has a token of its own, a random half and its HMAC: a page that is compressed on its way then repeats
nothing that an attacker could measure (BREACH).
"""

from __future__ import annotations

import base64
import hmac
import secrets

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
_NONCE_BYTES = 16
_TAG_BYTES = 32


def make(secret: bytes) -> str:
    """A token for forms of the browser that holds this secret."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return base64.urlsafe_b64encode(nonce + _tag(secret, nonce)).decode()


def matches(secret: bytes, token: str) -> bool:
    """Whether a token was made for this secret."""
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:
        return False
    if len(raw) != _NONCE_BYTES + _TAG_BYTES:
        return False
    return hmac.compare_digest(raw[_NONCE_BYTES:], _tag(secret, raw[:_NONCE_BYTES]))


def _tag(secret: bytes, nonce: bytes) -> bytes:
    return hmac.digest(secret, b"authserver form " + nonce, "sha256")
