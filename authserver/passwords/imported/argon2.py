"""Argon2i, Argon2d and Argon2id as libargon2, argon2-cffi and passlib write them, and with Django's prefix."""

from __future__ import annotations

import re
from dataclasses import dataclass

from argon2.exceptions import VerificationError, VerifyMismatchError
from argon2.low_level import Type, verify_secret

from authserver.passwords.imported import form

_TYPES = {"argon2i": Type.I, "argon2d": Type.D, "argon2id": Type.ID}
_FORM = re.compile(
    r"(?:argon2)?\$(?P<type>argon2(?:id|i|d))\$(?:v=(?P<version>\d+)\$)?(?P<parameters>[^$]*)\$(?P<salt>[^$]*)\$(?P<hash>[^$]*)"
)
#: Passes over the memory times its size in KiB. This much takes about 4 s.
_MOST_WORK = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Argon2:
    encoded: bytes
    type: Type

    def matches(self, secret: bytes) -> bool:
        try:
            return verify_secret(self.encoded, secret, self.type)
        except VerifyMismatchError:
            return False
        except VerificationError as error:
            raise form.UnusableHash(f"libargon2 cannot read it: {type(error).__name__}") from None


def read(encoded: str) -> form.Form | None:
    if not encoded.startswith(("$argon2", "argon2$")):
        return None
    match = _FORM.fullmatch(encoded)
    if match is None or match["version"] not in (None, "16", "19"):
        raise form.UnusableHash("it is no Argon2 hash of version 16 or 19")
    memory, passes, lanes = form.parameters("Argon2", match["parameters"], "m", "t", "p")
    form.within("the memory m in KiB", memory, 8, form.MOST_MEMORY_KIB)
    form.within("the parallelism p", lanes, 1, 64)
    form.within("m times t", memory * passes, 1, _MOST_WORK)
    # libargon2 reads neither padding nor another alphabet.
    salt = form.salt(form.from_base64("the salt", match["salt"]))
    result = form.digest(form.from_base64("the hash", match["hash"]))
    form.within("the length of the salt in bytes", len(salt), 8, len(salt))
    if re.search(r"[=.]", match["salt"] + match["hash"]) or len(result) > 64:
        raise form.UnusableHash("its salt or hash is not written as Argon2 writes them")
    return _Argon2(encoded.removeprefix("argon2").encode(), _TYPES[match["type"]])
