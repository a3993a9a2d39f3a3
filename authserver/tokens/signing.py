"""Signs every token and list of this server, with the one active key (RFC 7515)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from joserfc import jwt
from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jws import JWSRegistry

from authserver.keys.keyring import Snapshot


class _Algorithms(JWSRegistry):
    """Allows some algorithms, and does not warn about EdDSA at each token.

    RFC 9864 renames it to Ed25519, so joserfc warns; but verifiers know the old name.
    """

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[name]


@lru_cache
def only(*algorithms: str) -> JWSRegistry:
    """A registry that lets joserfc use these algorithms and no others."""
    return _Algorithms(algorithms=algorithms)


def sign(keys: Snapshot, typ: str, claims: dict[str, Any]) -> str:
    """Return a JWT with this `typ` header: so one kind of token cannot pass for another."""
    key = keys.signing
    header = {"alg": key.algorithm, "kid": key.kid, "typ": typ}
    # One key, not the whole ring: joserfc signs with a random key of a set.
    return jwt.encode(header, claims, key.key_set, registry=only(key.algorithm))
