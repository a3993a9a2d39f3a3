"""PBKDF2 (RFC 8018): PHC strings, also with passlib's bare number of rounds, and what Django and Werkzeug write."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from authserver.passwords.imported import form

_DIGESTS = frozenset({"sha1", "sha224", "sha256", "sha384", "sha512"})
#: Iterations times blocks of the result, because each block repeats all iterations. This much takes about 4 s.
_MOST_WORK = 10_000_000


@dataclass(frozen=True, slots=True)
class _Pbkdf2:
    name: str
    iterations: int
    salt: bytes
    result: bytes

    def matches(self, secret: bytes) -> bool:
        computed = hashlib.pbkdf2_hmac(self.name, secret, self.salt, self.iterations, len(self.result))
        return hmac.compare_digest(computed, self.result)


def read(encoded: str) -> form.Form | None:
    if not encoded.startswith(("$pbkdf2", "pbkdf2")):
        return None
    match encoded.split("$"):
        case ["", method, costs, salt_text, result]:
            name = method.removeprefix("pbkdf2").removeprefix("-") or "sha1"
            salt_bytes, data = form.from_base64("the salt", salt_text), form.from_base64("the hash", result)
            return _form(name, _iterations(costs, len(data)), salt_bytes, data)
        case [method, iterations, salt_text, result] if method.startswith("pbkdf2_"):
            name, data = method.removeprefix("pbkdf2_"), form.from_base64("the hash", result)
            return _form(name, form.number("the iterations", iterations), salt_text.encode(), data)
        case [method, salt_text, result] if re.fullmatch(r"pbkdf2:[a-z0-9]+:[0-9]+", method):
            _, name, iterations = method.split(":")
            data = form.from_hex("the hash", result)
            return _form(name, form.number("the iterations", iterations), salt_text.encode(), data)
    raise form.UnusableHash("it does not have the parts of a PBKDF2 hash")


def _iterations(costs: str, length: int) -> int:
    """Passlib writes only the number; the PHC form writes `i=…`, and `l=…` for the length."""
    if "=" not in costs:
        return form.number("the iterations", costs)
    if "l=" not in costs:
        return form.parameters("PBKDF2", costs, "i")[0]
    iterations, told = form.parameters("PBKDF2", costs, "i", "l")
    form.within("the length l", told, length, length)
    return iterations


def _form(name: str, iterations: int, salt_bytes: bytes, result: bytes) -> _Pbkdf2:
    if name not in _DIGESTS:
        raise form.UnusableHash(f"PBKDF2 is known here with {', '.join(sorted(_DIGESTS))}")
    blocks = -(-len(form.digest(result)) // hashlib.new(name).digest_size)
    form.within("the iterations, times the blocks of the result,", iterations * blocks, 1, _MOST_WORK)
    return _Pbkdf2(name, iterations, form.salt(salt_bytes), result)
