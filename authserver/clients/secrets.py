"""Client secrets: 256 random bits, stored as SHA-256.

A password hash would cost hundreds of milliseconds a request and gain nothing: 256 random bits cannot be guessed. The
prefix lets secret scanners find leaks.
"""

import hashlib
import secrets

PREFIX = "ascs_"


def new_secret() -> str:
    """Make a client secret. It is shown once."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """The SHA-256 of a secret as it was sent."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
