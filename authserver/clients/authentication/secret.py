"""Compares client secrets, for every method that sends one."""

from __future__ import annotations

import hmac
import time

from authserver.clients import secrets
from authserver.clients.authentication.presented import Presented, Proof
from authserver.clients.model import Client
from authserver.refusals.reasons import Reason

# An unknown client's secret is compared with this one, so that it costs as much time as a wrong secret.
_NO_SECRET = secrets.digest(secrets.new_secret())


def prove_secret(client: Client | None, presented: Presented) -> Proof | Reason:
    """Compare the presented secret with the client's secrets. During a rotation the client has two."""
    sent = secrets.digest(presented.credential or "")
    known = client.secret_digests if client is not None else ()
    # Compare every stored digest without an early exit, so that the time does not tell which one matches.
    hits = [hmac.compare_digest(sent, digest) for digest, _ in known or ((_NO_SECRET, None),)]
    for hit, (digest, expires_at) in zip(hits, known, strict=False):
        if hit:
            valid = expires_at is None or time.time() * 1000 < expires_at
            return Proof(digest) if valid else Reason.EXPIRED_SECRET
    return Reason.WRONG_SECRET
