"""Turns what other systems export into the texts that the families read, or says by name why it cannot.

Prefixes in braces (LDAP, Spring, Dovecot), ASP.NET's bytes, Keycloak's JSON, Firebase's parameters, crypt's alphabet.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable

from authserver.passwords.imported import form, keycloak

_Match = re.Match[str]
_CRYPT_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#: The numbers of ASP.NET Core Identity version 3.
_ASPNET_DIGESTS = ("sha1", "sha256", "sha512")
#: What Spring's prefix says, because the hash does not: the digest, the iterations, the bytes of the salt.
_SPRING = {"pbkdf2": ("sha1", 185_000, 8), "pbkdf2@springsecurity_v5_8": ("sha256", 310_000, 16)}
_SHA_CRYPT_ROUNDS = 5000
_LDAP_SALTED = {"ssha": "sha1", "ssha256": "sha256", "ssha384": "sha384", "ssha512": "sha512"}
_LDAP_SIZES = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}


def translate(encoded: str) -> str:
    """The same hash as a text that one of the families reads; unchanged if it is one already, or not known.

    Raises:
        UnusableHash: a known form with broken parts.
    """
    for pattern, translated in _FORMS:
        if (match := pattern.fullmatch(encoded)) is not None:
            return translated(match)
    return encoded


def _phc(name: str, costs: str, salt: bytes, result: bytes) -> str:
    return f"${name}${costs}${form.to_base64(salt)}${form.to_base64(result)}"


def _without_prefix(match: _Match) -> str:
    return translate(match["rest"])


def _salted(match: _Match) -> str:
    name = _LDAP_SALTED[match["kind"].lower()]
    data = form.from_base64("the hash", match["rest"])
    size = _LDAP_SIZES[name]
    form.within("the length of hash and salt in bytes", len(data), size + 1, size + form.MOST_BYTES)
    return _phc(f"salted-{name}", "i=1", data[size:], data[:size])


def _ldap_pbkdf2(match: _Match) -> str:
    return f"$pbkdf2-{(match['digest'] or 'sha1').lower()}${match['rest']}"


def _spring_pbkdf2(match: _Match) -> str:
    digest, iterations, salt = _SPRING[match["kind"].lower()]
    data = bytes.fromhex(match["rest"])
    form.within("the length of salt and hash in bytes", len(data), salt + 32, salt + 32)
    return _phc(f"pbkdf2-{digest}", f"i={iterations}", data[:salt], data[salt:])


def _spring_scrypt(match: _Match) -> str:
    costs = int(match["costs"], 16)
    return f"$scrypt$ln={costs >> 16},r={costs >> 8 & 255},p={costs & 255}${match['rest']}"


def _aspnet(match: _Match) -> str:
    data = base64.b64decode(match[0])
    if data[0] == 0 and len(data) == 49:
        return _phc("pbkdf2-sha1", "i=1000", data[1:17], data[17:])
    if data[0] != 1 or len(data) < 13:
        return match[0]
    digest, iterations, size = struct.unpack(">III", data[1:13])
    form.within("the number of the digest of ASP.NET Core Identity", digest, 0, len(_ASPNET_DIGESTS) - 1)
    return _phc(f"pbkdf2-{_ASPNET_DIGESTS[digest]}", f"i={iterations}", data[13 : 13 + size], data[13 + size :])


def _sha_crypt(match: _Match) -> str:
    name, order, size = ("sha256", (0, 10, 20), 32) if match["kind"] == "5" else ("sha512", (0, 21, 42), 64)
    data, result = _from_crypt(match["hash"]), bytearray(size)
    for at in range(0, size - size % 3, 3):
        # crypt writes the bytes in threes from three places. The next three begin one further, in another order.
        result[order[2]], result[order[1]], result[order[0]] = data[at : at + 3]
        order = (order[1] + 1, order[2] + 1, order[0] + 1) if size == 64 else (order[2] + 1, order[0] + 1, order[1] + 1)
    last = data[size - size % 3 : size]
    result[size - len(last) :] = last
    # The specification reads fewer rounds as 1000, and more as 999,999,999.
    rounds = max(1000, int(match["rounds"] or _SHA_CRYPT_ROUNDS))
    return _phc(f"sha-crypt-{name}", f"i={rounds}", match["salt"].encode(), bytes(result))


def _phpass(match: _Match) -> str:
    name, size = ("sha512", 32) if match["kind"] else ("md5", 16)  # $S$ is Drupal's, which cuts the end off
    rounds = 1 << form.within("the cost of phpass", _CRYPT_ALPHABET.index(match["cost"]), 7, 16)
    result = _from_crypt(match["hash"])[:size]
    return _phc(f"phpass-{name}", f"i={rounds}", match["salt"].encode(), result)


def _from_crypt(text: str) -> bytes:
    """Base64 of crypt and phpass: four characters are three bytes, the lowest first."""
    digits = [_CRYPT_ALPHABET.index(character) for character in text]
    digits += [0] * (-len(digits) % 4)
    groups = (digits[at : at + 4] for at in range(0, len(digits), 4))
    return b"".join(sum(d << 6 * n for n, d in enumerate(group)).to_bytes(3, "little") for group in groups)


def _firebase(match: _Match) -> str:
    """Firebase encrypts the signer key by a stream: without the key, the stream is left, and no secret is stored."""
    # `firebase auth:export` writes the alphabet of base64url.
    texts = {name: match[name].replace("-", "+").replace("_", "/") for name in ("separator", "signer", "salt", "hash")}
    parts = {name: form.from_base64(f"the {name}", text) for name, text in texts.items()}
    form.within("the length of the signer key in bytes", len(parts["signer"]), len(parts["hash"]), len(parts["hash"]))
    stream = bytes(a ^ b for a, b in zip(parts["hash"], parts["signer"], strict=True))
    costs = f"ln={match['memory']},r={match['rounds']}"
    return _phc("firebase-scrypt", costs, parts["salt"] + parts["separator"], stream)


_B64 = "[A-Za-z0-9+/._-]+=*"
_FORMS: tuple[tuple[re.Pattern[str], Callable[[_Match], str]], ...] = (
    (re.compile(r"\{(?:ldap)\}(?P<rest>\{.+)", re.IGNORECASE), _without_prefix),
    (
        re.compile(
            r"\{(?:bcrypt|crypt|blf-crypt|sha256-crypt|sha512-crypt|argon2(?:id|i|d)?(?:@\w+)?|scrypt(?:@\w+)?)\}(?P<rest>[^{].*)",
            re.IGNORECASE,
        ),
        _without_prefix,
    ),
    (re.compile(rf"\{{(?P<kind>ssha(?:256|384|512)?)\}}(?P<rest>{_B64})", re.IGNORECASE), _salted),
    (re.compile(r"\{pbkdf2(?:-(?P<digest>\w+))?\}(?P<rest>[0-9]+\$.+)", re.IGNORECASE), _ldap_pbkdf2),
    (re.compile(r"\{(?P<kind>pbkdf2(?:@\w+_v5_8)?)\}(?P<rest>(?:[0-9a-f]{2})+)", re.IGNORECASE), _spring_pbkdf2),
    (re.compile(r"(?:\$s0)?\$(?P<costs>[0-9a-f]{5,6})\$(?P<rest>[^$]+\$[^$]+)"), _spring_scrypt),
    (re.compile(r"AQAAAA[A-Za-z0-9+/]{40,}={0,2}|A[A-P][A-Za-z0-9+/]{64}=="), _aspnet),
    (
        re.compile(
            r"\$(?P<kind>[56])\$(?:rounds=(?P<rounds>[0-9]{1,9})\$)?(?P<salt>[^$:]{0,16})\$(?P<hash>[./A-Za-z0-9]{43}|[./A-Za-z0-9]{86})"
        ),
        _sha_crypt,
    ),
    (
        re.compile(
            r"\$(?:(?P<kind>S)(?=.{53}$)|[PH](?=.{32}$))\$(?P<cost>[./A-Za-z0-9])(?P<salt>.{8})(?P<hash>[./A-Za-z0-9]+)"
        ),
        _phpass,
    ),
    (
        re.compile(
            rf"\$fbscrypt\$v=1,n=(?P<memory>[0-9]+),r=(?P<rounds>[0-9]+),p=1,ss=(?P<separator>{_B64}),sk=(?P<signer>{_B64})"
            rf"\$(?P<salt>{_B64})\$(?P<hash>{_B64})"
        ),
        _firebase,
    ),
    (re.compile(r"\s*\{\s*\".*", re.DOTALL), lambda match: keycloak.translate(match[0])),
)
