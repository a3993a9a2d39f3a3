"""The comparison of client secrets, for every method that sends one."""

from __future__ import annotations

import time

from authserver.clients import secrets
from authserver.clients.authentication.presented import Proof
from authserver.clients.model import Client
from authserver.refusals.reasons import Reason

# Compared when there is nothing to compare with, so that an unknown client costs what a wrong secret does.
_NO_SECRET = secrets.digest(secrets.new_secret())


def prove_secret(client: Client | None, secret: str) -> Proof | Reason:
    """Compare a secret with those of the client; during a rotation there are two."""
    presented = secrets.digest(secret)
    known = client.secret_digests if client is not None else ()
    # No early exit: every stored digest is compared, and one comparison is made where there is none.
    hits = [secrets.matches(presented, digest) for digest, _ in known or ((_NO_SECRET, None),)]
    for hit, (digest, expires_at) in zip(hits, known, strict=False):
        if hit:
            valid = expires_at is None or time.time() * 1000 < expires_at
            return Proof(digest) if valid else Reason.EXPIRED_SECRET
    return Reason.WRONG_SECRET
