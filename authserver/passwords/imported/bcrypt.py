"""bcrypt as crypt(3), PHP and passlib write it, and Django's two forms: of the password, and of its SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

import bcrypt

from authserver.passwords.imported import form

# 22 characters of salt have 4 spare bits, and 31 of hash have 2: all libraries write them as 0 and compare them.
_FORM = re.compile(
    r"(?P<django>bcrypt\$|bcrypt_sha256\$)?"
    r"(?P<hash>\$2[aby]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26])"
)
#: bcrypt reads this many bytes of a password. Other systems cut the rest; the library refuses it since 5.0.
_BYTES_READ = 72
#: The lowest and the highest cost. bcrypt makes 2 to the power of the cost rounds: at 16 they take about 4 s.
_COSTS = (4, 16)


@dataclass(frozen=True, slots=True)
class _Bcrypt:
    encoded: bytes
    of_sha256: bool

    def matches(self, secret: bytes) -> bool:
        if self.of_sha256:
            secret = hashlib.sha256(secret).hexdigest().encode()
        return hmac.compare_digest(bcrypt.hashpw(secret[:_BYTES_READ], self.encoded), self.encoded)


def read(encoded: str) -> form.Form | None:
    if not encoded.startswith(("$2", "bcrypt$", "bcrypt_sha256$")):
        return None
    match = _FORM.fullmatch(encoded)
    if match is None:
        raise form.UnusableHash("it is no bcrypt hash of the kind $2a$, $2b$ or $2y$ with 60 characters")
    form.within("the cost of bcrypt", int(match["cost"]), *_COSTS)
    return _Bcrypt(match["hash"].encode(), match["django"] == "bcrypt_sha256$")
