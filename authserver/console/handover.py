"""Hands over a new secret: one page shows it once, and no reload shows it again.

Between the act and that page the secret is in a cookie of the administrator's own browser, sealed under a key of the
visit. It is in no address, no log and no table. The page that shows it clears the cookie.
"""

from __future__ import annotations

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import Response, request

from authserver import base64url
from authserver.pages.cookies import Cookie
from authserver.pages.pages import current_pages, current_visit

_SECONDS = 60
_NONCE_BYTES = 12


def give(response: Response, subject: str, secret: str) -> Response:
    """Let the next page of this browser show the secret of the subject."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = nonce + AESGCM(_key()).encrypt(nonce, secret.encode(), subject.encode())
    _cookie().write(response, base64url.encode(sealed), max_age=_SECONDS)
    return response


def take(subject: str) -> str | None:
    """The subject's secret; None if it has no new one, or it was shown already."""
    value = _cookie().read(request)
    if value is None:
        return None
    try:
        sealed = base64url.decode(value)
        opened = AESGCM(_key()).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], subject.encode())
    except (ValueError, InvalidTag):
        return None
    return opened.decode()


def clear(response: Response) -> Response:
    """Clear the cookie after its secret was shown."""
    if _cookie().read(request) is not None:
        _cookie().clear(response)
    return response


def _cookie() -> Cookie:
    return Cookie.of("authserver-handover", current_pages().issuer)


def _key() -> bytes:
    return hmac.digest(current_visit().secret, b"authserver handover", "sha256")
