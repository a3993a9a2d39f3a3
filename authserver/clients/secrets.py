"""Client secrets: 256 random bits, kept as SHA-256.

A password hash would spend hundreds of milliseconds a request to slow down the guessing of something that nobody can
guess. The prefix lets secret scanners find leaks.
"""

import hashlib
import hmac
import secrets

PREFIX = "ascs_"


def new_secret() -> str:
    """A new client secret, to be shown once."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """SHA-256 of a secret as it came over the wire."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def matches(presented: bytes, stored: bytes) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(presented, stored)
