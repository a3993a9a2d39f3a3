"""The compact form and public keys: the part of JOSE that a verifier needs (RFC 7515, 7517, 7518, 8037).

Keys come only from the issuer's key set: `jwk`, `jku` and `x5u` in a header are never read.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from authserver_resource.errors import VerificationError

ALGORITHMS = frozenset({"ES256", "EdDSA", "RS256"})
LONGEST_TOKEN = 16 * 1024

# Only the alphabet of base64url passes: `-_` become the `+/` of base64, and `+/=` become bytes that are refused.
_ALPHABET = bytes.maketrans(b"-_+/=", b"+/\0\0\0")
_PADDING = (b"", b"===", b"==", b"=")
_ES256 = ec.ECDSA(hashes.SHA256())
# json.loads() would guess the encoding first, which takes a third of its time on a token.
_read_json = json.JSONDecoder().decode
_PKCS1 = padding.PKCS1v15()
_SHA256 = hashes.SHA256()

_ALGORITHM_OF = {"EC P-256": "ES256", "OKP Ed25519": "EdDSA", "RSA ": "RS256"}

Check = Callable[[bytes, bytes], None]


@dataclass(frozen=True, slots=True)
class Header:
    """The members of a header that a check needs. `read_header` refuses `crit`, wrong types and wrong algorithms."""

    algorithm: str
    kid: str


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """A public key. `check(signature, signed)` raises InvalidSignature."""

    algorithm: str
    check: Check
    jwk: dict[str, Any]


def decode(segment: bytes) -> bytes:
    """Decode base64url, strictly and without padding. Raises ValueError."""
    return binascii.a2b_base64(segment.translate(_ALPHABET) + _PADDING[len(segment) % 4], strict_mode=True)


def split(data: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Split a compact JWS into header, payload, their signed text and the signature. Only the last is decoded."""
    signed, _, signature = data.rpartition(b".")
    header, _, payload = signed.partition(b".")
    if not header or not payload or b"." in payload or len(data) > LONGEST_TOKEN * 128:
        raise VerificationError("malformed", "not a signed JWT in the compact form")
    try:
        return header, payload, signed, decode(signature)
    except ValueError:
        raise VerificationError("malformed", "the signature is not base64url") from None


def read_object(segment: bytes) -> dict[str, Any]:
    """Decode a JSON object."""
    try:
        value = _read_json(decode(segment).decode())
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise VerificationError("malformed", "a part of the JWT is not a JSON object")
    return value


def read_header(segment: bytes, typ: str, algorithms: frozenset[str]) -> Header:
    """Decode a header. Refuse it if no key could make the token good."""
    header = read_object(segment)
    found = header.get("typ")
    # RFC 7515 section 4.1.9: the prefix is optional, and media types ignore case.
    if not isinstance(found, str) or found.lower().removeprefix("application/") != typ:
        raise VerificationError("type", f"the header's typ is not {typ}")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise VerificationError("algorithm", "the algorithm is not allowed")
    if "crit" in header:
        raise VerificationError("critical", "the header marks an extension as critical")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise VerificationError("unknown_key", "the header names no key")
    return Header(algorithm, kid)


def check_signature(key: Key, header: Header, signed: bytes, signature: bytes) -> None:
    if key.algorithm != header.algorithm:
        raise VerificationError("algorithm", "the key is for another algorithm")
    try:
        key.check(signature, signed)
    except InvalidSignature:
        raise VerificationError("signature", "the signature is wrong") from None


def read_keys(document: Any, known: dict[str, Key]) -> dict[str, Key]:
    """Read a key set (RFC 7517), without the keys of other algorithms.

    A key that has not changed stays the same object, so the memory of verified tokens can compare by identity.
    Raises ValueError if the document is no key set.
    """
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("not a key set")  # noqa: TRY004 - the value comes from the network
    keys: dict[str, Key] = {}
    for jwk in document["keys"]:
        kid = jwk.get("kid") if isinstance(jwk, dict) else None
        if not isinstance(kid, str) or kid in keys:
            continue
        if kid in known and known[kid].jwk == jwk:
            keys[kid] = known[kid]
        elif key := _read_key(jwk):
            keys[kid] = key
    return keys


def _read_key(jwk: dict[str, Any]) -> Key | None:
    if jwk.get("use", "sig") != "sig":
        return None
    algorithm = _ALGORITHM_OF.get(f"{jwk.get('kty')} {jwk.get('crv', '')}")
    if algorithm is None or jwk.get("alg", algorithm) != algorithm:
        return None
    try:
        return Key(algorithm, _READERS[algorithm](jwk), jwk)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _ec(jwk: dict[str, Any]) -> Check:
    numbers = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP256R1())
    verify = numbers.public_key().verify
    number = int.from_bytes

    def check(signature: bytes, signed: bytes) -> None:
        if len(signature) != 64:
            raise InvalidSignature
        verify(encode_dss_signature(number(signature[:32]), number(signature[32:])), signed, _ES256)

    return check


def _ed25519(jwk: dict[str, Any]) -> Check:
    return ed25519.Ed25519PublicKey.from_public_bytes(decode(jwk["x"].encode())).verify


def _rsa(jwk: dict[str, Any]) -> Check:
    key = rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
    if not 2048 <= key.key_size <= 8192:
        raise ValueError("RSA keys have 2048 to 8192 bits")

    def check(signature: bytes, signed: bytes) -> None:
        key.verify(signature, signed, _PKCS1, _SHA256)

    return check


def _number(text: str) -> int:
    return int.from_bytes(decode(text.encode()))


_READERS: dict[str, Callable[[dict[str, Any]], Check]] = {"ES256": _ec, "EdDSA": _ed25519, "RS256": _rsa}
