"""`none`: a public client names itself and proves nothing (RFC 6749 section 2.1)."""

from __future__ import annotations

from collections.abc import Mapping

from authserver.clients.authentication.presented import Presented, Proof
from authserver.clients.model import Client
from authserver.refusals.reasons import Reason

NAME = "none"
ABOUT = "A public client: it has no secret. Stands alone."


def read(_authorization: str | None, form: Mapping[str, str]) -> Presented | None:
    """Return the client that the body names. It counts only where no other method presents a credential."""
    return Presented(NAME, form["client_id"], None) if "client_id" in form else None


def prove(client: Client | None, _presented: Presented) -> Proof | Reason:
    """Accept a public client without a credential, and no other client."""
    return Proof() if client is not None and client.is_public else Reason.WRONG_SECRET
