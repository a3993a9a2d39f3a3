"""Key material: how a key of each kind is made, sealed and brought back."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from authserver.database.tables import present
from authserver.keys.model import KeyRecord, Kind
from authserver.keys.vault import Vault

_TOKEN_KEY_BYTES: Final = 32
_RSA_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A parsed signing key. Parsing takes a hundred times as long as signing: each process parses a key once.

    `key_set` holds this one key: joserfc signs with a random key of a set, and an API may not know the others yet.
    """

    id: int
    kid: str
    algorithm: str
    key_set: KeySet


@dataclass(frozen=True, slots=True)
class TokenKey:
    """The pair behind refresh tokens: one half tags them, the other derives successors; neither yields the other.

    A leaked key still reads the tokens it tagged, but a mismatch under it proves no theft and ends no session.
    """

    id: int
    tag_key: bytes
    successor_key: bytes
    leaked: bool


@dataclass(frozen=True, slots=True, repr=False)
class OpaqueKey:
    """The key that opaque access tokens are sealed with. Has no repr: it is a secret."""

    id: int
    cipher: AESGCM


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made, with what its row needs. `secret` is sealed before it is stored."""

    kind: Kind
    algorithm: str
    kid: str | None
    public_jwk: str | None
    secret: bytes


def new_signing_key(algorithm: str) -> NewKey:
    """Make a signing key for ES256 (P-256), EdDSA (Ed25519) or RS256 (2048 bits); its kid is its thumbprint."""
    key: ECKey | OKPKey | RSAKey
    match algorithm:
        case "ES256":
            key = ECKey.generate_key("P-256", private=True)
        case "EdDSA":
            key = OKPKey.generate_key("Ed25519", private=True)
        case "RS256":
            key = RSAKey.generate_key(_RSA_BITS, private=True)
        case _:
            raise ValueError(f"not a signing algorithm of this server: {algorithm}")
    kid = key.thumbprint()
    public: dict[str, Any] = {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": algorithm}
    secret = json.dumps(key.as_dict(private=True)).encode()
    return NewKey(Kind.SIGNING, algorithm, kid, json.dumps(public, sort_keys=True), secret)


def new_key(kind: Kind, algorithm: str) -> NewKey:
    """Make a key of a kind; `algorithm` counts for signing keys only."""
    match kind:
        case Kind.SIGNING:
            return new_signing_key(algorithm)
        case Kind.TOKEN:
            return NewKey(kind, "HS256", None, None, secrets.token_bytes(2 * _TOKEN_KEY_BYTES))
        case Kind.OPAQUE:
            return NewKey(kind, "A256GCM", None, None, AESGCM.generate_key(256))


def purpose(kind: str, kid: str | None) -> str:
    """What a sealed key is bound to: a signing key to its kid, so that rows cannot be swapped."""
    return f"{kind}:{kid or ''}"


def unseal(vault: Vault, row: KeyRecord) -> bytes:
    """Return the secret of a key that is not gone."""
    return vault.open(present(row.sealed), purpose=purpose(row.kind, row.kid))


def open_signing_key(vault: Vault, row: KeyRecord) -> SigningKey:
    """Bring a signing key back from its row."""
    kid = present(row.kid)
    jwk = {**json.loads(unseal(vault, row)), "kid": kid, "alg": row.algorithm}
    return SigningKey(row.id, kid, row.algorithm, KeySet.import_key_set({"keys": [jwk]}))


def open_token_key(vault: Vault, row: KeyRecord) -> TokenKey:
    """Bring a token key back from its row."""
    pair = unseal(vault, row)
    return TokenKey(row.id, pair[:_TOKEN_KEY_BYTES], pair[_TOKEN_KEY_BYTES:], row.leaked)


def open_opaque_key(vault: Vault, row: KeyRecord) -> OpaqueKey:
    """Bring a key of opaque access tokens back from its row."""
    return OpaqueKey(row.id, AESGCM(unseal(vault, row)))
