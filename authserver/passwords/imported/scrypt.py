"""scrypt (RFC 7914): passlib's PHC string, Django's `scrypt$N$salt$r$p$hash`, Werkzeug's `scrypt:N:r:p$salt$hex`."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from authserver.passwords.imported import form

#: N times r times p. This much takes about 4 s.
_MOST_WORK = 2**23


@dataclass(frozen=True, slots=True)
class _Scrypt:
    n: int
    r: int
    p: int
    salt: bytes
    result: bytes

    def matches(self, secret: bytes) -> bool:
        memory = 128 * self.r * (self.n + self.p + 2)
        computed = hashlib.scrypt(
            secret, salt=self.salt, n=self.n, r=self.r, p=self.p, maxmem=memory + 1024, dklen=len(self.result)
        )
        return hmac.compare_digest(computed, self.result)


def read(encoded: str) -> form.Form | None:
    match encoded.split("$"):
        case ["", "scrypt", costs, salt_text, result]:
            log_n, r, p = form.parameters("scrypt", costs, "ln", "r", "p")
            n = 1 << form.within("the cost ln", log_n, 1, 30)
            return _form(n, r, p, form.from_base64("the salt", salt_text), form.from_base64("the hash", result))
        case ["scrypt", n_text, salt_text, r_text, p_text, result]:
            n, r, p = (form.number(name, text) for name, text in (("N", n_text), ("r", r_text), ("p", p_text)))
            return _form(n, r, p, salt_text.encode(), form.from_base64("the hash", result))
        case [method, salt_text, result] if method.startswith("scrypt:"):
            given = method.split(":")[1:]
            if len(given) != 3:
                raise form.UnusableHash("scrypt takes N, r and p")
            n, r, p = (form.number(name, text) for name, text in zip(("N", "r", "p"), given, strict=True))
            return _form(n, r, p, salt_text.encode(), form.from_hex("the hash", result))
        case _ if encoded.startswith(("$scrypt$", "scrypt$", "scrypt:")):
            raise form.UnusableHash("it does not have the parts of an scrypt hash")
    return None


def _form(n: int, r: int, p: int, salt_bytes: bytes, result: bytes) -> _Scrypt:
    if n < 2 or n & (n - 1):
        raise form.UnusableHash(f"the cost N of scrypt has to be a power of 2, and is {n}")
    form.within("the memory 128·N·r in KiB", n * r // 8, 0, form.MOST_MEMORY_KIB)
    form.within("N times r times p", n * r * p, 2, _MOST_WORK)
    return _Scrypt(n, r, p, form.salt(salt_bytes), form.digest(result))
