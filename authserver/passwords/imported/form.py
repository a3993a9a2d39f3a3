"""What the families share: a hash that was read, how expensive it may be, and how its parts are decoded."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

#: A wrong password could match a shorter result by chance, or the hash lost its end when it was copied.
FEWEST_BYTES = 16
MOST_BYTES = 128


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that the check of one password may cost: memory, and about so many seconds on a server of 2020."""

    memory_kib: int
    seconds: int


#: Of a hash that comes now. A dearer one would let an attacker keep the server busy with wrong passwords.
AT_IMPORT = Limits(memory_kib=128 * 1024, seconds=1)
#: Of a hash in a row: earlier versions imported hashes up to these.
IN_A_ROW = Limits(memory_kib=256 * 1024, seconds=4)
#: The most that the settings allow: an own hash is verified even when the settings ask for less today.
OWN = Limits(memory_kib=4_194_304, seconds=4000)


@dataclass(frozen=True, slots=True)
class Form:
    """A hash that was read and can be compared.

    `compute` gives the result for a password; only the parameters decide how long it takes. `outline` is the text
    without the result, if the hash is so fast that a copy of it would give the password away. Such a hash is stored
    with Argon2id over its result.
    """

    compute: Callable[[bytes], bytes]
    result: bytes
    outline: str | None = None

    def matches(self, secret: bytes) -> bool:
        return hmac.compare_digest(self.compute(secret), self.result)


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


def to_base64(data: bytes) -> str:
    """As PHC strings have it: without padding."""
    return base64.b64encode(data).decode().rstrip("=")


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
