"""Links with which a user sets a password, once. The database has the digest of a link's secret, never the secret."""

from __future__ import annotations

import hashlib
import secrets

#: The path of a link's page, below the issuer's path.
PATH = "/account/password/"


def new_secret() -> str:
    """32 random bytes as text for an address. It starts with no hyphen, so a double click selects all of it."""
    while (text := secrets.token_urlsafe(32)).startswith("-"):
        pass
    return text


def digest(secret: str) -> bytes:
    """The digest that a link is found by. The secret is random, so no slow hash is needed."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()
