"""Keys: list, rotate, mark as leaked. What a key is made of never leaves the server."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from authserver.admin_api.route import Answer, Content, Document, Parameters, Route
from authserver.administration import keys as use_cases
from authserver.administration.context import Administration
from authserver.administration.errors import NotFound
from authserver.database.times import iso, iso_of
from authserver.keys.model import KeyRecord, Kind, State

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

    gone: bool = Field(default=False, description="Also those that are gone.")


class KeyRotation(Document):
    """Which kind to rotate, and how."""

    kind: Literal["signing", "token", "opaque"]
    at_once: bool = Field(
        default=False, description="Also when not every API and node can know the next key yet: see docs/keys.md."
    )


def list_(admin: Administration, query: KeyQuery) -> Answer:
    rows = use_cases.find_all(admin)
    return Answer(KeyList(items=[_key(row) for row in rows if query.gone or row.state != State.GONE]))


def rotate(admin: Administration, body: KeyRotation) -> Answer:
    use_cases.rotate(admin, Kind(body.kind), at_once=body.at_once)
    return list_(admin, KeyQuery())


def mark_leaked(admin: Administration, key_id: str) -> Answer:
    if not key_id.isascii() or not key_id.isdecimal() or len(key_id) > 9:
        raise NotFound(f"there is no key {key_id[:40]!r}")
    use_cases.mark_leaked(admin, int(key_id))
    (row,) = [row for row in use_cases.find_all(admin) if row.id == int(key_id)]
    return Answer(_key(row))


def _key(row: KeyRecord) -> Key:
    return Key(
        id=row.id,
        kind=row.kind,
        state=row.state,
        algorithm=row.algorithm,
        kid=row.kid,
        leaked=row.leaked,
        created_at=iso_of(row.created_at),
        activated_at=iso(row.activated_at),
        retired_at=iso(row.retired_at),
        gone_at=iso(row.gone_at),
    )


ROUTES: Final = (
    Route(
        method="GET", path="/keys", scope=_READ, summary="List keys", handler=list_, query=KeyQuery,
        answers={200: Content(description="The keys", model=KeyList)},
    ),
    Route(
        method="POST", path="/keys/rotate", scope=_WRITE, summary="Promote the next key of a kind", handler=rotate,
        body=KeyRotation, errors=frozenset({409}), answers={200: Content(description="The keys now", model=KeyList)},
        description="The server rotates by itself; this is for when you know better.",
    ),
    Route(
        method="POST", path="/keys/{key_id}/leaked", scope=_WRITE, summary="Take a leaked key out of trust",
        handler=mark_leaked, errors=frozenset({409}), answers={200: Content(description="The key", model=Key)},
        description="An active one is replaced first. A signing or opaque key is gone at once, and with it every access "
        "token made with it. A token key is still read, so that nobody is signed out.",
    ),
)  # fmt: skip
