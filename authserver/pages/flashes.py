"""Messages for the next page ("Ended 3 sessions."). A signed cookie carries them over the redirect, for a minute.

The cookie is signed and bound to the visit, so an attacker cannot plant a message. Messages are escaped like all text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from itsdangerous import BadData, URLSafeTimedSerializer

LIFETIME = 60
_LONGEST = 1000

Kind = Literal["done", "problem"]


@dataclass(frozen=True, slots=True)
class Flash:
    """A message. A screen reader speaks a problem at once, and other messages when it is idle."""

    text: str
    kind: Kind = "done"


class FlashSigner:
    """Signs and opens the cookie's value. `whose` is the visit's id; "" if there is no visit."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, flashes: Sequence[Flash], whose: str) -> str:
        return self._serializer(whose).dumps([[flash.text[:_LONGEST], flash.kind] for flash in flashes[-3:]])

    def open(self, value: str, whose: str) -> list[Flash]:
        """The messages; an empty list if they were altered, are too old or belong to another visit."""
        try:
            found: Any = self._serializer(whose).loads(value, max_age=LIFETIME)
        except BadData:
            return []
        return [Flash(text, kind) for text, kind in found]

    def _serializer(self, whose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self._key, salt=f"authserver flash {whose}")
