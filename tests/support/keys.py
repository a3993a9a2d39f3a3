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
from tests.support.stage import API, Stage

JWKS = "/.well-known/jwks.json"
OLD = base64.b64encode(b"o" * 32).decode()
NEW = base64.b64encode(b"n" * 32).decode()

Node = Callable[..., OAuth]


def settings_of(stage: Stage, **changes: Any) -> Settings:
    for name in ("master_key", "old_master_key"):
        if name in changes:
            changes[name] = SecretStr(changes[name])
    # The caches are nearly always too old, so every request sees the last change.
    return stage.with_settings(**{"caches": CacheSettings(max_age=1e-6), **changes})


def keys(stage: Stage, kind: str, state: str) -> list[Any]:
    return stage.sql("SELECT * FROM keys WHERE kind = :kind AND state = :state ORDER BY id", kind=kind, state=state)


def the_key(stage: Stage, kind: str, state: str) -> Any:
    (row,) = keys(stage, kind, state)
    return row


def back_date_keys(stage: Stage, seconds: float) -> None:
    """Make all keys older, as if that time had passed."""
    columns = ("created_at", "activated_at", "retired_at", "gone_at")
    moved = ", ".join(f"{column} = {column} - :ms" for column in columns)
    stage.sql(f"UPDATE keys SET {moved}", ms=round(seconds * 1000))


def rotation_of(stage: Stage, settings: Settings) -> KeyRotation:
    return KeyRotation(stage.database, open_vault(settings), schedule(settings), algorithm=settings.tokens.algorithm)


def open_keys(stage: Stage, **changes: Any) -> Keyring:
    """Read the keys as a node does when it starts."""
    keyring = Keyring(stage.database, open_vault(settings_of(stage, **changes)), max_age=1)
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
