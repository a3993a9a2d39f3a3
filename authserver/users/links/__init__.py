"""Links with which a user sets a password, once. The database has the digest of a link's secret, never the secret."""

from __future__ import annotations

import hashlib
import secrets

#: Where the page of a link is, below the server's origin.
PATH = "/account/password/"


def new_secret() -> str:
    """32 random bytes as text for an address. No hyphen in front: people select it by a double click."""
    while (text := secrets.token_urlsafe(32)).startswith("-"):
        pass
    return text


def digest(secret: str) -> bytes:
    """What a link is found by. Random enough that nothing slower is needed."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()
