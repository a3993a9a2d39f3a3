"""What a request presents as its client authentication, whatever the method."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Presented:
    """A claim still to be checked. Has no repr: it holds a secret."""

    method: str
    client_id: str
    secret: str | None
