"""What the families share: what a hash can do, how expensive it may be, and how its parts are decoded."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Protocol

#: A sign-in may take at most this memory, and about 4 s on a server of 2020. A hash whose parameters ask for more is
#: refused at import, and matches nothing if it stands in a row.
MOST_MEMORY_KIB = 256 * 1024

#: A wrong password could match a shorter result by chance, or the hash lost its end when it was copied.
FEWEST_BYTES = 16
MOST_BYTES = 128


class Form(Protocol):
    """A hash that was read and can be compared."""

    def matches(self, secret: bytes) -> bool:
        """Whether this password has the hash. Only the parameters decide how long it takes, not the result."""


class UnusableHash(ValueError):
    """The hash cannot be used; the text says why, and shows only parameters of the hash."""


def within(what: str, value: int, least: int, most: int) -> int:
    """Return a parameter if it is in its bounds."""
    if not least <= value <= most:
        raise UnusableHash(f"{what} is {value}, and has to be from {least} to {most}")
    return value


def number(what: str, text: str) -> int:
    """A whole number as hashes write it. Ten digits are more than any bound."""
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text):
        raise UnusableHash(f"{what} is no whole number, or too large")
    return int(text)


def from_base64(what: str, text: str) -> bytes:
    """Base64 with or without padding, also with passlib's `.` for `+`."""
    body = text.rstrip("=").replace(".", "+")
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise UnusableHash(f"{what} is not base64") from None
    return data


def from_hex(what: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UnusableHash(f"{what} is not hexadecimal") from None


def digest(data: bytes) -> bytes:
    """Return the result of a hash if its length is in the bounds."""
    within("the length of the hash in bytes", len(data), FEWEST_BYTES, MOST_BYTES)
    return data


def salt(data: bytes) -> bytes:
    within("the length of the salt in bytes", len(data), 1, MOST_BYTES)
    return data


def parameters(what: str, text: str, *names: str) -> list[int]:
    """The values of `a=1,b=2`, in the order in which the names are asked for."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    found = {name: value for name, _, value in pairs}
    if len(pairs) != len(names) or set(found) != set(names):
        raise UnusableHash(f"the parameters of {what} have to be {', '.join(names)}")
    return [number(name, found[name]) for name in names]
