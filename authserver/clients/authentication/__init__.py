"""Client authentication (RFC 6749 section 2.3): one file a method, one list, one order of checks.

A method reads what a request presents and knows nothing of clients. `authenticate` looks the client up once, asks
first whether the method is the client's, then whether the credential is right, and spends the same on an unknown
client as on a wrong secret.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

from authserver.clients import secrets
from authserver.clients.authentication import client_secret_basic, client_secret_post, none
from authserver.clients.authentication.presented import Presented
from authserver.clients.model import Client
from authserver.clients.registry import ClientRegistry
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason


class Method(Protocol):
    """What each file of this folder is."""

    NAME: str

    def read(self, authorization: str | None, form: Mapping[str, str], /) -> Presented | None:
        """Return what a request presents by this method; None when it does not use it."""


#: Every method, by its registered name. The metadata document is made from this list.
METHODS: dict[str, Method] = {method.NAME: method for method in (client_secret_basic, client_secret_post, none)}

# Compared when there is nothing to compare with, so that an unknown client costs what a wrong secret does.
_NO_SECRET = secrets.digest(secrets.new_secret())


def read(authorization: str | None, form: Mapping[str, str]) -> Presented:
    """Find the one authentication that a request presents.

    Raises:
        Refused: there are two, the `Authorization` header cannot be read, or no client is named.
    """
    found = [presented for method in METHODS.values() if (presented := method.read(authorization, form)) is not None]
    if len(found) > 1:
        raise Refused(Reason.TWO_AUTHENTICATIONS)
    if not found:
        raise Refused(Reason.NO_CLIENT)
    return found[0]


def authenticate(registry: ClientRegistry, presented: Presented, *, afresh: bool = False) -> Client:
    """Return the client that was proved, in the very copy that proved it.

    When the cached copy says no, it is read afresh once: a client or secret made a moment ago works at once. With
    `afresh` that is done in any case, for a caller that would refuse for another reason.

    Raises:
        Refused: unknown or disabled client, a method that is not its own, a wrong or expired secret.
    """
    asked_at = time.monotonic()
    client = registry.find(presented.client_id)
    refusal, matched = _examine(client, presented)
    if afresh or refusal is not None:
        # An unknown client was read just now, a known one is read here: one statement for either.
        client = registry.find_afresh(presented.client_id, asked_at=asked_at)
        refusal, matched = _examine(client, presented)
    if client is None or refusal is not None:
        raise Refused(refusal or Reason.UNKNOWN_CLIENT)
    if matched is not None:
        registry.uses.note(client.client_id, matched)
    return client


def _examine(client: Client | None, presented: Presented) -> tuple[Reason | None, bytes | None]:
    """Why the client is not proved, or None; and the digest of the secret that proved it, where there is one."""
    credential, matched = _check_secret(client, presented.secret)
    if client is None:
        return Reason.UNKNOWN_CLIENT, None
    if presented.method not in client.auth_methods:
        return Reason.METHOD_NOT_ALLOWED, None
    if credential is not None:
        return credential, None
    return (None, matched) if client.enabled else (Reason.CLIENT_DISABLED, None)


def _check_secret(client: Client | None, secret: str | None) -> tuple[Reason | None, bytes | None]:
    if secret is None:
        return (None if client is not None and client.is_public else Reason.WRONG_SECRET), None
    presented = secrets.digest(secret)
    known = client.secret_digests if client is not None else ()
    # No early exit: every stored digest is compared, and one comparison is made where there is none.
    hits = [secrets.matches(presented, digest) for digest, _ in known or ((_NO_SECRET, None),)]
    for hit, (digest, expires_at) in zip(hits, known, strict=False):
        if hit:
            valid = expires_at is None or time.time() * 1000 < expires_at
            return (None, digest) if valid else (Reason.EXPIRED_SECRET, None)
    return Reason.WRONG_SECRET, None
