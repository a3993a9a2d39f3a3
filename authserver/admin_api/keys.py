"""Keys: list, rotate, mark as leaked. The secret of a key never leaves the server."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from authserver.admin_api.route import Document, Parameters, Route
from authserver.administration import keys as use_cases
from authserver.administration.context import Administration
from authserver.administration.errors import NotFound
from authserver.keys.document import as_document
from authserver.keys.model import Kind, State

_READ: Final = "authserver:keys:read"
_WRITE: Final = "authserver:keys:write"


class Key(Document):
    """One key. `signing` keys sign access tokens, `token` keys make refresh tokens, `opaque` keys seal opaque tokens."""

    id: int
    kind: str
    state: str
    algorithm: str
    kid: str | None
    leaked: bool
    created_at: str
    activated_at: str | None
    retired_at: str | None
    gone_at: str | None


class KeyList(Document):
    """Keys, oldest first."""

    items: list[Key]


class KeyQuery(Parameters):
    """Which keys to list."""

    gone: bool = Field(default=False, description="Include keys that are gone.")


class KeyRotation(Document):
    """Which kind to rotate, and how."""

    kind: Literal["signing", "token", "opaque"]
    at_once: bool = Field(
        default=False, description="Even if not every API and node can know the next key yet; see docs/keys.md."
    )


def list_(admin: Administration, query: KeyQuery) -> KeyList:
    rows = use_cases.find_all(admin)
    return KeyList(items=[Key(**as_document(row)) for row in rows if query.gone or row.state != State.GONE])


def rotate(admin: Administration, body: KeyRotation) -> KeyList:
    use_cases.rotate(admin, Kind(body.kind), at_once=body.at_once)
    return list_(admin, KeyQuery())


def mark_leaked(admin: Administration, key_id: str) -> Key:
    if not key_id.isascii() or not key_id.isdecimal() or len(key_id) > 9:
        raise NotFound(f"there is no key {key_id[:40]!r}")
    use_cases.mark_leaked(admin, int(key_id))
    (row,) = [row for row in use_cases.find_all(admin) if row.id == int(key_id)]
    return Key(**as_document(row))


ROUTES: Final = (
    Route("GET", "/keys", _READ, "List keys", list_, "The keys"),
    Route(
        "POST", "/keys/rotate", _WRITE, "Promote the next key of a kind", rotate, "The keys now", errors={409},
        description="The server rotates by itself; this rotates earlier.",
    ),
    Route(
        "POST", "/keys/{key_id}/leaked", _WRITE, "Take a leaked key out of trust", mark_leaked, "The key", errors={409},
        description="An active key is replaced first. A signing or opaque key is gone at once, and so is every access "
        "token made with it. A token key is still read, so no user is signed out.",
    ),
)  # fmt: skip
