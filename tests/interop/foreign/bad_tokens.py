"""The fifteen bad tokens that every API must refuse, each made from a good one by a single change."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from authserver.keys.keyring import Keyring
from authserver.keys.setup import open_vault
from tests.interop.issuer import Issuer, Key, encoded
from tests.support.setup import Setup


@dataclass(frozen=True)
class Forger:
    """Makes the bad tokens. `ours` signs with the real server's own key; `stranger` is another issuer, online."""

    ours: Issuer
    stranger: Issuer


def the_servers_own_key(setup: Setup) -> Key:
    """The signing key of the server on this setup, so that only the one change can be the reason of a refusal."""
    signing = Keyring(setup.database, open_vault(setup.settings), max_age=0).current().signing
    (key,) = signing.key_set.keys
    return Key(signing.kid, key.private_key)  # type: ignore[arg-type]


def with_other_claims(issuer: Issuer) -> str:
    head, _, signature = issuer.token().split(".")
    return f"{head}.{encoded(issuer.claims(sub='admin'))}.{signature}"


BAD: dict[str, Callable[[Forger], str]] = {
    "expired": lambda f: f.ours.token(iat=int(time.time()) - 1500, exp=int(time.time()) - 600),
    "not yet valid": lambda f: f.ours.token(nbf=int(time.time()) + 600),
    "forged": lambda f: with_other_claims(f.ours),
    "no algorithm": lambda f: f.ours.unsigned(),
    "the public key as secret": lambda f: f.ours.signed_with_the_public_key_as_secret(),
    "unknown key id": lambda f: f.ours.token(header={"kid": "unknown"}),
    "another issuer": lambda f: f.ours.token(iss=f.stranger.url),
    "another audience": lambda f: f.ours.token(aud="https://other.example.com"),
    "another type": lambda f: f.ours.token(header={"typ": "JWT"}),
    "stripped signature": lambda f: f.ours.token().rpartition(".")[0] + ".",
    "a key address of its own": lambda f: f.ours.token(key=f.stranger.key, header={"jku": f"{f.stranger.url}/jwks"}),
    "an unknown critical header": lambda f: f.ours.token(header={"crit": ["x"], "x": 1}),
    "truncated": lambda f: f.ours.token()[:-20],
    "another server's key": lambda f: f.ours.token(key=Key(f.ours.key.kid, f.stranger.key.private)),
    "garbage": lambda _: "garbage",
}
