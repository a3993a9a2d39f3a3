"""Slots: numbers that stand for accounts, places and clients in the tables, which are bounded by them.

Two keys may share a slot, and then they share its level: that delays an innocent account with a chance of one in a
million for each account that is under attack (docs/decisions/throttling.md).
"""

from __future__ import annotations

import hmac
from typing import Final, NamedTuple

from authserver.throttling.policy import Kind

BITS: Final = 20
_STRANGERS: Final = b"strangers"
_KNOWN_PLACE: Final = b"known place"
_DEVICE: Final = b"known device"
_CODE: Final = b"sign-in code"
_INSTALLATION: Final = b"installation"
_DIGEST_BYTES: Final = 16


class Slot(NamedTuple):
    """`number` is the row. `check` tells the keys apart that share it: a success acts only on a row of its own key."""

    number: int
    check: int


class Slots:
    """Computes slots under a key that no copy of the database has."""

    def __init__(self, key: bytes, *, bits: int = BITS) -> None:
        self._key = key
        self._bits = bits

    def bucket(self, kind: Kind, *parts: str) -> tuple[Kind, Slot]:
        """Where the bucket of this kind stands."""
        return kind, self._slot(kind.name.encode(), *parts)

    def strangers(self, account: str) -> Slot:
        """Where the count of the strangers at an account stands."""
        return self._slot(_STRANGERS, account)

    def place(self, near: str) -> bytes:
        """How a place is written down beside a user who has signed in from there."""
        return self._digest(_KNOWN_PLACE, near)[:_DIGEST_BYTES]

    def code(self, code: str) -> bytes:
        """How a sign-in code is written down."""
        return self._digest(_CODE, code)[:_DIGEST_BYTES]

    def device_tag(self, random: str, user_id: str, password_version: int) -> bytes:
        """What proves that this server gave the random text to this user, while the password is of this version."""
        return self._digest(_DEVICE, random, user_id, str(password_version))

    @property
    def installation(self) -> str:
        """Tells the rows of this server from those of another one on the same store."""
        return self._digest(_INSTALLATION)[:4].hex()

    def _slot(self, what: bytes, *parts: str) -> Slot:
        digest = self._digest(what, *parts)
        return Slot(int.from_bytes(digest[:4]) >> (32 - self._bits), int.from_bytes(digest[4:8]))

    def _digest(self, what: bytes, *parts: str) -> bytes:
        # The length stands before each part: two different lists of parts are never the same bytes.
        encoded = [what, *(part.encode(errors="surrogatepass") for part in parts)]
        return hmac.digest(self._key, b"".join(len(part).to_bytes(4) + part for part in encoded), "sha256")
