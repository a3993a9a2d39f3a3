"""One-time codes: with one, a user signs in on a new device while strangers' failures make the password alone too little.

A user makes a code on the account pages, so on a device where the user is signed in. The database has a keyed digest.
"""

from __future__ import annotations

import secrets
from typing import Final

#: Seconds in which a code can be used.
LIFETIME: Final = 600

#: No I, L, O, U, 0 and 1: people take them for others.
_SIGNS: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_HALF: Final = 5


def new_code() -> str:
    """Ten random signs in two halves, such as "7KQ2M-XW9RD": 49 bits, which are enough for ten minutes."""
    first, second = ("".join(secrets.choice(_SIGNS) for _ in range(_HALF)) for _ in range(2))
    return f"{first}-{second}"


def typed(text: str) -> str | None:
    """The code that a person has typed, in its one form; None if it can be none. Case, blanks and hyphens do not count."""
    signs = "".join(text.upper().replace("-", " ").split())
    if len(signs) != 2 * _HALF or not set(signs) <= set(_SIGNS):
        return None
    return f"{signs[:_HALF]}-{signs[_HALF:]}"
