"""Very many users, who all have one password."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from authserver.database.identifiers import new_id
from authserver.users import store
from tests.support.setup import Setup

PASSWORD = "correct horse"


def add_users(setup: Setup, names: Iterable[str]) -> None:
    """Add a user of each name, in one statement."""
    encoded = setup.hasher.hash(PASSWORD)
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(), "username": name, "username_key": name, "email": None, "email_key": None,
            "password_hash": encoded, "roles": frozenset(), "subject": None, "enabled": True,
        }
        for name in names
    ]  # fmt: skip
    setup.transaction(lambda connection: store.add_all(connection, rows))
