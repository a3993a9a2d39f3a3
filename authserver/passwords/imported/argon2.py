"""Argon2i, Argon2d and Argon2id as PHC strings, with the parameters in any order, and with Django's prefix."""

from __future__ import annotations

import re
from functools import partial

from argon2 import low_level
from argon2.exceptions import HashingError
from argon2.low_level import Type

from authserver.passwords.imported import form

_TYPES = {"argon2i": Type.I, "argon2d": Type.D, "argon2id": Type.ID}
_FORM = re.compile(
    r"(?:argon2)?\$(?P<type>argon2(?:id|i|d))\$(?:v=(?P<version>\d+)\$)?(?P<parameters>[^$]*)\$(?P<salt>[^$]*)\$(?P<hash>[^$]*)"
)
#: Passes over the memory times its size in KiB, in a second.
_WORK = 1024 * 1024
#: A hash without a version is of version 1.0, which libargon2 calls 16.
_FIRST_VERSION = "16"
_NAMED = {
    "keyid": "it was made with a secret key (keyid), which the hash does not have",
    "data": "it has associated data (data), which is not supported",
}


def read(encoded: str, limits: form.Limits) -> form.Form | None:
    if not encoded.startswith(("$argon2", "argon2$")):
        return None
    match = _FORM.fullmatch(encoded)
    version = match and (match["version"] or _FIRST_VERSION)
    if match is None or version not in ("16", "19"):
        raise form.UnusableHash("it is no Argon2 hash of version 16 or 19")
    for name, reason in _NAMED.items():
        if re.search(rf"(?:^|,){name}=", match["parameters"]):
            raise form.UnusableHash(f"{reason}: give the user a new password")
    memory, passes, lanes = form.parameters("Argon2", match["parameters"], "m", "t", "p")
    form.within("the parallelism p", lanes, 1, 64)
    form.within("the memory m in KiB", memory, 8 * lanes, limits.memory_kib)
    form.within("m times t", memory * passes, 1, limits.seconds * _WORK)
    salt = form.salt(form.from_base64("the salt", match["salt"]))
    result = form.digest(form.from_base64("the hash", match["hash"]))
    form.within("the length of the salt in bytes", len(salt), 8, len(salt))
    compute = partial(
        _compute, salt=salt, time_cost=passes, memory_cost=memory, parallelism=lanes, hash_len=len(result),
        type=_TYPES[match["type"]], version=int(version or 0),
    )  # fmt: skip
    return form.Form(compute, result)


def _compute(secret: bytes, **parameters: object) -> bytes:
    """Compute from the numbers that were read here. libargon2's own reader knows one order of parameters only."""
    try:
        return low_level.hash_secret_raw(secret, **parameters)  # type: ignore[arg-type]
    except HashingError as error:
        raise form.UnusableHash(f"libargon2 cannot compute it: {error}") from None
