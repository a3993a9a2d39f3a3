"""Messages for the next page ("Ended 3 sessions."), carried over the redirect in a signed cookie of a minute.

Signed, and bound to the visit: nobody plants a message that looks like ours. They are text, and escaped like all text.
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
    """A message; a problem interrupts a screen reader, what was done waits its turn."""

    text: str
    kind: Kind = "done"


class FlashSigner:
    """Signs and opens the cookie's value. `whose` is the visit's id, or "" where there is none."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, flashes: Sequence[Flash], whose: str) -> str:
        return self._serializer(whose).dumps([[flash.text[:_LONGEST], flash.kind] for flash in flashes[-3:]])

    def open(self, value: str, whose: str) -> list[Flash]:
        """The messages; none where they were altered, are too old or were meant for another visit."""
        try:
            found: Any = self._serializer(whose).loads(value, max_age=LIFETIME)
        except BadData:
            return []
        return [Flash(text, kind) for text, kind in found]

    def _serializer(self, whose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self._key, salt=f"authserver flash {whose}")
