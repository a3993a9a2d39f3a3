"""Rows of keys: finds them, makes them older, and reads them as a node does."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import jwt
from pydantic import SecretStr

from authserver.keys.keyring import Keyring
from authserver.keys.rotation import KeyRotation
from authserver.keys.setup import open_vault, schedule
from authserver.settings.model import Settings
from authserver.settings.values import CacheSettings
from tests.support.oauth import OAuth
from tests.support.setup import API, Setup

JWKS = "/.well-known/jwks.json"
OLD = base64.b64encode(b"o" * 32).decode()
NEW = base64.b64encode(b"n" * 32).decode()

Node = Callable[..., OAuth]


def settings_of(setup: Setup, **changes: Any) -> Settings:
    for name in ("master_key", "old_master_key"):
        if name in changes:
            changes[name] = SecretStr(changes[name])
    # The caches are nearly always too old, so every request sees the last change.
    return setup.with_settings(**{"caches": CacheSettings(max_age=1e-6), **changes})


def keys(setup: Setup, kind: str, state: str) -> list[Any]:
    return setup.sql("SELECT * FROM keys WHERE kind = :kind AND state = :state ORDER BY id", kind=kind, state=state)


def the_key(setup: Setup, kind: str, state: str) -> Any:
    (row,) = keys(setup, kind, state)
    return row


def back_date_keys(setup: Setup, seconds: float) -> None:
    """Make all keys older, as if that time had passed."""
    columns = ("created_at", "activated_at", "retired_at", "gone_at")
    moved = ", ".join(f"{column} = {column} - :ms" for column in columns)
    setup.sql(f"UPDATE keys SET {moved}", ms=round(seconds * 1000))


def rotation_of(setup: Setup, settings: Settings) -> KeyRotation:
    return KeyRotation(setup.database, open_vault(settings), schedule(settings), algorithm=settings.tokens.algorithm)


def open_keys(setup: Setup, **changes: Any) -> Keyring:
    """Read the keys as a node does when it starts."""
    keyring = Keyring(setup.database, open_vault(settings_of(setup, **changes)), max_age=1)
    keyring.current()
    return keyring


def published(oauth: OAuth) -> dict[str, Any]:
    return {key["kid"]: key for key in oauth.http.get(JWKS).json()["keys"]}


def kid(token: str) -> str:
    found: str = jwt.get_unverified_header(token)["kid"]
    return found


def verified(oauth: OAuth, token: str) -> dict[str, Any]:
    """The claims, as an API with PyJWT and a fresh key set verifies them."""
    key = jwt.PyJWK(published(oauth)[kid(token)])
    return jwt.decode(token, key, algorithms=[key.algorithm_name], audience=API)
