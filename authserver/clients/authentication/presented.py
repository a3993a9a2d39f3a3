"""The client authentication that a request presents, and its proof; the same for every method."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Presented:
    """A claim that is not proved yet. It has no repr, because it may hold a secret."""

    method: str
    client_id: str
    credential: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """The credential is right. `secret_digest` says which of the client's secrets was used, if any."""

    secret_digest: bytes | None = None
