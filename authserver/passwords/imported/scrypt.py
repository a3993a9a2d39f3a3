"""scrypt (RFC 7914): passlib's PHC string, Django's `scrypt$N$salt$r$p$hash`, Werkzeug's `scrypt:N:r:p$salt$hex`.

Also Firebase's, which encrypts the project's signer key with the result of scrypt. `foreign` removes the signer key.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

from authserver.passwords.imported import form

#: N times r times p, in a second.
_WORK = 2**21


def read(encoded: str, limits: form.Limits) -> form.Form | None:
    match encoded.split("$"):
        case ["", "scrypt", costs, salt_text, result]:
            log_n, r, p = form.parameters("scrypt", costs, "ln", "r", "p")
            n = 1 << form.within("the cost ln", log_n, 1, 30)
            return _form(n, r, p, form.from_base64("the salt", salt_text), form.from_base64("the hash", result), limits)
        case ["scrypt", n_text, salt_text, r_text, p_text, result]:
            n, r, p = (form.number(name, text) for name, text in (("N", n_text), ("r", r_text), ("p", p_text)))
            return _form(n, r, p, salt_text.encode(), form.from_base64("the hash", result), limits)
        case [method, salt_text, result] if method.startswith("scrypt:"):
            given = method.split(":")[1:]
            if len(given) != 3:
                raise form.UnusableHash("scrypt takes N, r and p")
            n, r, p = (form.number(name, text) for name, text in zip(("N", "r", "p"), given, strict=True))
            return _form(n, r, p, salt_text.encode(), form.from_hex("the hash", result), limits)
        case ["", "firebase-scrypt", costs, salt_text, result]:
            log_n, r = form.parameters("scrypt", costs, "ln", "r")
            n, salt = 1 << form.within("the cost ln", log_n, 1, 30), form.from_base64("the salt", salt_text)
            stream = form.digest(form.from_base64("the hash", result))
            key = _form(n, r, 1, salt, bytes(32), limits)
            return form.Form(lambda secret: _key_stream(key.compute(secret), len(stream)), stream)
        case _ if encoded.startswith(("$scrypt$", "scrypt$", "scrypt:", "$firebase-scrypt$")):
            raise form.UnusableHash("it does not have the parts of an scrypt hash")
    return None


def _form(n: int, r: int, p: int, salt: bytes, result: bytes, limits: form.Limits) -> form.Form:
    if n < 2 or n & (n - 1):
        raise form.UnusableHash(f"the cost N of scrypt has to be a power of 2, and is {n}")
    form.within("the memory 128·N·r in KiB", n * r // 8, 0, limits.memory_kib)
    form.within("N times r times p", n * r * p, 2, limits.seconds * _WORK)
    form.salt(salt)
    length = len(form.digest(result))
    memory = 128 * r * (n + p + 2) + 1024

    def compute(secret: bytes) -> bytes:
        return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=length)

    return form.Form(compute, result)


def _key_stream(key: bytes, length: int) -> bytes:
    return Cipher(AES256(key), CTR(bytes(16))).encryptor().update(bytes(length))
