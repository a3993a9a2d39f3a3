"""`client_secret_post`: the secret in the form body (RFC 6749 section 2.3.1)."""

from __future__ import annotations

from collections.abc import Mapping

from authserver.clients.authentication.presented import Presented
from authserver.clients.authentication.secret import prove_secret

NAME = "client_secret_post"
ABOUT = "The secret in the body."
prove = prove_secret


def read(_authorization: str | None, form: Mapping[str, str]) -> Presented | None:
    """Return what the body presents; None if it has no secret."""
    if "client_secret" not in form or "client_id" not in form:
        return None
    return Presented(NAME, form["client_id"], form["client_secret"])
