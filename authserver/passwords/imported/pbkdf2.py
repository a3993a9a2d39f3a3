"""PBKDF2 (RFC 8018): PHC strings, also with passlib's bare number of rounds, and what Django and Werkzeug write."""

from __future__ import annotations

import hashlib
import re

from authserver.passwords.imported import form

_DIGESTS = frozenset({"sha1", "sha224", "sha256", "sha384", "sha512"})
#: Iterations times blocks of the result, because each block repeats all iterations, in a second.
_WORK = 2_500_000
#: With fewer iterations a graphics card tries millions of passwords a second.
_FAST = 10_000


def read(encoded: str, limits: form.Limits) -> form.Form | None:
    if not encoded.startswith(("$pbkdf2", "pbkdf2")):
        return None
    match encoded.split("$"):
        case ["", method, costs, salt_text, result]:
            name = method.removeprefix("pbkdf2").removeprefix("-") or "sha1"
            salt, data = form.from_base64("the salt", salt_text), form.from_base64("the hash", result)
            iterations = _iterations(costs, len(data))
        case [method, iterations_text, salt_text, result] if method.startswith("pbkdf2_"):
            name, data = method.removeprefix("pbkdf2_"), form.from_base64("the hash", result)
            iterations, salt = form.number("the iterations", iterations_text), salt_text.encode()
        case [method, salt_text, result] if re.fullmatch(r"pbkdf2:[a-z0-9]+:[0-9]+", method):
            _, name, iterations_text = method.split(":")
            data, salt = form.from_hex("the hash", result), salt_text.encode()
            iterations = form.number("the iterations", iterations_text)
        case _:
            raise form.UnusableHash("it does not have the parts of a PBKDF2 hash")
    return _form(name, iterations, salt, data, limits)


def _iterations(costs: str, length: int) -> int:
    """Passlib writes only the number; the PHC form writes `i=…`, and `l=…` for the length."""
    if "=" not in costs:
        return form.number("the iterations", costs)
    if "l=" not in costs:
        return form.parameters("PBKDF2", costs, "i")[0]
    iterations, told = form.parameters("PBKDF2", costs, "i", "l")
    form.within("the length l", told, length, length)
    return iterations


def _form(name: str, iterations: int, salt: bytes, result: bytes, limits: form.Limits) -> form.Form:
    if name not in _DIGESTS:
        raise form.UnusableHash(f"PBKDF2 is known here with {', '.join(sorted(_DIGESTS))}")
    blocks = -(-len(form.digest(result)) // hashlib.new(name).digest_size)
    form.within("the iterations, times the blocks of the result,", iterations * blocks, 1, limits.seconds * _WORK)
    form.salt(salt)

    def compute(secret: bytes) -> bytes:
        return hashlib.pbkdf2_hmac(name, secret, salt, iterations, len(result))

    outline = f"$pbkdf2-{name}$i={iterations}${form.to_base64(salt)}"
    return form.Form(compute, result, outline if iterations < _FAST else None)
