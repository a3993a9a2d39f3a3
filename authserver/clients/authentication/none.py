"""`none`: a public client names itself and proves nothing (RFC 6749 section 2.1)."""

from __future__ import annotations

from collections.abc import Mapping

from authserver.clients.authentication.presented import Presented

NAME = "none"


def read(authorization: str | None, form: Mapping[str, str]) -> Presented | None:
    """Return the client that the body names, unless a credential is sent with it."""
    if authorization is not None or "client_secret" in form or "client_id" not in form:
        return None
    return Presented(NAME, form["client_id"], None)
