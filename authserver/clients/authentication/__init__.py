"""Client authentication (RFC 6749 section 2.3): one file a method, one list, one order of checks.

A method reads what a request presents and proves it against the client. `authenticate` looks the client up and checks
that the client may use the method. An unknown client costs as much time as a wrong secret.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

from authserver.clients.authentication import client_secret_basic, client_secret_post, none
from authserver.clients.authentication.presented import Presented, Proof
from authserver.clients.model import Client
from authserver.clients.registry import ClientRegistry
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason


class Method(Protocol):
    """The interface of each method's file."""

    NAME: str
    ABOUT: str  # for administrators: what is sent, and where

    def read(self, authorization: str | None, form: Mapping[str, str], /) -> Presented | None:
        """Return what a request presents by this method; None if the request does not use it."""

    def prove(self, client: Client | None, presented: Presented, /) -> Proof | Reason:
        """Check what was presented. Takes the same time if there is no client."""


#: Every method, by its registered name. Metadata, registration and administration use this list.
METHODS: dict[str, Method] = {method.NAME: method for method in (client_secret_basic, client_secret_post, none)}


def read(authorization: str | None, form: Mapping[str, str]) -> Presented:
    """Find the one authentication that a request presents.

    Raises:
        Refused: it presents two, its Basic credentials cannot be read, or it names no client.
    """
    found = [presented for method in METHODS.values() if (presented := method.read(authorization, form)) is not None]
    # A credential comes with a client_id, which alone would be the method `none`.
    credentials = [presented for presented in found if presented.credential is not None]
    if len(credentials) > 1:
        raise Refused(Reason.TWO_AUTHENTICATIONS)
    if not found:
        raise Refused(Reason.NO_CLIENT)
    return (credentials or found)[0]


def authenticate(registry: ClientRegistry, presented: Presented, *, afresh: bool = False) -> Client:
    """Return the client that was proved, in the same copy that proved it.

    If the cached copy fails, the client is read afresh once, so a client or secret made a moment ago works at once.
    `afresh` reads it in any case: for a caller that would refuse the cached copy for another reason.

    Raises:
        Refused: an unknown or disabled client, a method that it may not use, a wrong or expired secret.
    """
    asked_at = time.monotonic()
    client = registry.find(presented.client_id)
    proof = _examine(client, presented)
    if afresh or isinstance(proof, Reason):
        # An unknown client was read just now. A known client is read here, so that both cost one statement.
        client = registry.find_afresh(presented.client_id, asked_at=asked_at)
        proof = _examine(client, presented)
    if client is None or isinstance(proof, Reason):
        raise Refused(proof if isinstance(proof, Reason) else Reason.UNKNOWN_CLIENT)
    if proof.secret_digest is not None:
        registry.uses.note(client.client_id, proof.secret_digest)
    return client


def _examine(client: Client | None, presented: Presented) -> Proof | Reason:
    """Return the proof, or why it fails. The credential is compared first, so that every refusal costs the same."""
    proof = METHODS[presented.method].prove(client, presented)
    if client is None:
        return Reason.UNKNOWN_CLIENT
    if presented.method not in client.auth_methods:
        return Reason.METHOD_NOT_ALLOWED
    if isinstance(proof, Reason):
        return proof
    return proof if client.enabled else Reason.CLIENT_DISABLED
