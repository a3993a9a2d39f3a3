"""Digests that are repeated or salted in ways of their own: SHA-crypt, phpass and the salted SHA of LDAP.

`foreign` gives them the form of PHC strings: `$sha-crypt-sha512$i=5000$salt$hash`, `$phpass-md5$i=8192$salt$hash`,
`$salted-sha1$i=1$salt$hash`. Python computes them and not a library, so few rounds are allowed.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable

from authserver.passwords.imported import form

_FORM = re.compile(r"\$(sha-crypt|phpass|salted)-(md5|sha1|sha256|sha384|sha512)\$i=([0-9]+)\$([^$]*)\$([^$]*)")
#: Rounds of Python in a second.
_WORK = 700_000
#: With fewer rounds of SHA-crypt a graphics card tries millions of passwords a second.
_FAST = 10_000
#: Python holds its lock over a loop: let other requests in after so many rounds, which take about a millisecond.
_ROUNDS_AT_A_STRETCH = 1000


def read(encoded: str, limits: form.Limits) -> form.Form | None:
    match = _FORM.fullmatch(encoded)
    if match is None:
        return None
    family, name, rounds_text, salt_text, result_text = match.groups()
    rounds = form.within("the rounds", form.number("the rounds", rounds_text), 1, limits.seconds * _WORK)
    salt, result = form.from_base64("the salt", salt_text), form.digest(form.from_base64("the hash", result_text))
    # An empty salt is allowed in SHA-crypt, and the others have it from their own readers.
    form.within("the length of the salt in bytes", len(salt), 0, form.MOST_BYTES)
    form.within("the length of the hash in bytes", len(result), form.FEWEST_BYTES, hashlib.new(name).digest_size)
    compute = _COMPUTE[family](name, salt, rounds)
    slow = family == "sha-crypt" and rounds >= _FAST
    outline = None if slow else f"${family}-{name}$i={rounds}${form.to_base64(salt)}"
    return form.Form(lambda secret: compute(secret)[: len(result)], result, outline)


def _salted(name: str, salt: bytes, rounds: int) -> Callable[[bytes], bytes]:
    form.within("the rounds", rounds, 1, 1)
    return lambda secret: hashlib.new(name, secret + salt).digest()


def _phpass(name: str, salt: bytes, rounds: int) -> Callable[[bytes], bytes]:
    hashed = _HASHED[name]

    def compute(secret: bytes) -> bytes:
        result = hashed(salt + secret).digest()
        for number in range(rounds):
            result = hashed(result + secret).digest()
            _let_others_in(number)
        return result

    return compute


def _sha_crypt(name: str, salt: bytes, rounds: int) -> Callable[[bytes], bytes]:
    """The steps of Drepper's specification ("Unix crypt using SHA-256 and SHA-512")."""
    hashed = _HASHED[name]

    def compute(secret: bytes) -> bytes:
        other = hashed(secret + salt + secret).digest()
        text, length = secret + salt + _repeated(other, len(secret)), len(secret)
        while length:
            text += other if length & 1 else secret
            length >>= 1
        result = hashed(text).digest()
        p = _repeated(hashed(secret * len(secret)).digest(), len(secret))
        s = _repeated(hashed(salt * (16 + result[0])).digest(), len(salt))
        # What stands before and after the last result repeats after 42 rounds: 2 times 3 times 7.
        middle = [(s if number % 3 else b"") + (p if number % 7 else b"") for number in range(42)]
        for number in range(rounds):
            between = middle[number % 42]
            result = hashed(p + between + result if number & 1 else result + between + p).digest()
            _let_others_in(number)
        return result

    return compute


def _let_others_in(number: int) -> None:
    if number % _ROUNDS_AT_A_STRETCH == _ROUNDS_AT_A_STRETCH - 1:
        time.sleep(0.0001)


def _repeated(data: bytes, length: int) -> bytes:
    return (data * (length // len(data) + 1))[:length]


_COMPUTE = {"sha-crypt": _sha_crypt, "phpass": _phpass, "salted": _salted}
_HASHED = {"md5": hashlib.md5, "sha256": hashlib.sha256, "sha512": hashlib.sha512}
