"""What a request presents as its client authentication, and what comes of it, whatever the method."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Presented:
    """A claim still to be proved. Has no repr: it holds a secret, or what stands for one."""

    method: str
    client_id: str
    credential: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """The credential is right. `secret_digest` says which of the client's secrets it was, where it was one."""

    secret_digest: bytes | None = None
