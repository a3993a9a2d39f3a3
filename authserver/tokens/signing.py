"""Signing: everything that this server signs is signed here, with the one active key (RFC 7515)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from joserfc import jwt
from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jws import JWSRegistry

from authserver.keys.keyring import Keyring


class _Algorithms(JWSRegistry):
    """Allows some algorithms, and does not warn of EdDSA at each token.

    RFC 9864 calls it Ed25519 now, and joserfc says so; but it is under the old name that verifiers know it.
    """

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[name]


@lru_cache
def only(*algorithms: str) -> JWSRegistry:
    """What joserfc may use: these algorithms and no others."""
    return _Algorithms(algorithms=algorithms)


def sign(keyring: Keyring, typ: str, claims: dict[str, Any]) -> str:
    """Return a JWT of this type (the header `typ`, which keeps one kind of token from passing for another)."""
    key = keyring.current().signing
    header = {"alg": key.algorithm, "kid": key.kid, "typ": typ}
    # One key, not the whole ring: joserfc signs with a random key of a set.
    return jwt.encode(header, claims, key.key_set, registry=only(key.algorithm))
