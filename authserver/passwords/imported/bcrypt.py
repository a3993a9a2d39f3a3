"""bcrypt as crypt(3), PHP and passlib write it, and bcrypt of another digest: Django's, WordPress's and passlib's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

import bcrypt

from authserver.passwords.imported import form

_FORM = re.compile(
    r"(?P<first>bcrypt\$|bcrypt_sha256\$|\$wp)?"
    r"\$(?P<kind>2[aby])\$(?P<cost>\d\d)\$(?P<salt>[./A-Za-z0-9]{22})(?P<hash>[./A-Za-z0-9]{31})"
)
_PASSLIB = re.compile(
    r"\$bcrypt-sha256\$(?:(?P<v1>2[ab]),(?P<cost1>\d+)|v=2,t=(?P<v2>2b),r=(?P<cost2>\d+))"
    r"\$(?P<salt>[./A-Za-z0-9]{22})\$(?P<hash>[./A-Za-z0-9]{31})"
)
_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#: bcrypt reads this many bytes of a password. Other systems cut the rest; the library refuses it since 5.0.
_BYTES_READ = 72
#: bcrypt makes 2 to the power of the cost rounds: this cost takes a second.
_COST = 14
_OLD = {
    "$2x$": "it is a bcrypt hash of PHP's old fault ($2x$): letters beyond ASCII match wrongly",
    "$2$": "it is a bcrypt hash of 1997 ($2$), which reads other bytes of the password",
}


def read(encoded: str, limits: form.Limits) -> form.Form | None:
    for prefix, reason in _OLD.items():
        if encoded.startswith(prefix):
            raise form.UnusableHash(f"{reason}; give the user a new password")
    if not encoded.startswith(("$2", "bcrypt$", "bcrypt_sha256$", "$wp$", "$bcrypt-sha256$")):
        return None
    if (match := _FORM.fullmatch(encoded)) is not None:
        return _form(match["cost"], match["salt"], match["hash"], _BEFORE[match["first"]], limits, match["kind"])
    if (match := _PASSLIB.fullmatch(encoded)) is None:
        raise form.UnusableHash("it is no bcrypt hash of the kind $2a$, $2b$ or $2y$ with 60 characters")
    salt, cost = match["salt"], match["cost1"] or match["cost2"]
    before = _sha256_base64 if match["v1"] else lambda secret: _hmac_base64(secret, salt.encode(), "sha256")
    return _form(cost, salt, match["hash"], before, limits, "2b")


def _form(
    cost_text: str, salt: str, result: str, before: Callable[[bytes], bytes], limits: form.Limits, kind: str
) -> form.Form:
    cost = int(cost_text)
    form.within("the cost of bcrypt", cost, 4, _COST + limits.seconds.bit_length() - 1)
    # 22 characters of salt have 4 spare bits, and 31 of hash have 2. Old libraries filled them and compared without.
    settings = f"${kind}${cost:02}${_clear(salt, 4)}".encode()

    def compute(secret: bytes) -> bytes:
        return bcrypt.hashpw(before(secret)[:_BYTES_READ], settings)[len(settings) :]

    return form.Form(compute, _clear(result, 2).encode())


def _clear(text: str, bits: int) -> str:
    """The text with so many of the last bits set to 0."""
    return text[:-1] + _ALPHABET[_ALPHABET.index(text[-1]) >> bits << bits]


def _sha256_base64(secret: bytes) -> bytes:
    return base64.b64encode(hashlib.sha256(secret).digest())


def _hmac_base64(secret: bytes, key: bytes, digest: str) -> bytes:
    return base64.b64encode(hmac.digest(key, secret, digest))


#: What is hashed before bcrypt, by the beginning of the text.
_BEFORE: dict[str | None, Callable[[bytes], bytes]] = {
    None: bytes,
    "bcrypt$": bytes,
    "bcrypt_sha256$": lambda secret: hashlib.sha256(secret).hexdigest().encode(),
    "$wp": lambda secret: _hmac_base64(secret, b"wp-sha384", "sha384"),
}
