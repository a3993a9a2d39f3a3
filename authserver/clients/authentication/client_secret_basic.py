"""`client_secret_basic`: HTTP Basic with form-encoded id and secret (RFC 6749 section 2.3.1, RFC 7617).

A public client may name itself by Basic with an empty secret: many libraries do by default. So an empty secret counts as
the method `none`. Other schemes are no client authentication, and are ignored: an app may send its access token with every
request, and a browser adds `Negotiate` by itself.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

from authserver.clients.authentication import none
from authserver.clients.authentication.presented import Presented
from authserver.clients.authentication.secret import prove_secret
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason

NAME = "client_secret_basic"
ABOUT = "The secret in the Authorization header."
prove = prove_secret
# Also behind a comma: commas join a header that was sent twice.
_SCHEME = re.compile(r"(?:^|,)[ \t]*basic(?![^ \t,])", re.IGNORECASE)
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def read(authorization: str | None, form: Mapping[str, str]) -> Presented | None:
    """Return what the `Authorization` header presents; None if it has no Basic credentials.

    The body may name the same client in `client_id`: many libraries send it.

    Raises:
        Refused: broken base64, percent or UTF-8 encoding, no colon, no client, another client in the body, a secret in
            the body as well, or the header sent twice.
    """
    if authorization is None or not _SCHEME.search(authorization):
        return None
    if "," in authorization:
        # base64 has no comma, so a comma joins a header that was sent twice.
        raise Refused(Reason.TWO_AUTHENTICATIONS)
    credentials = authorization.strip(" ")[len("basic") :]
    try:
        decoded = base64.b64decode(credentials.strip(" "), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise Refused(Reason.NO_CLIENT, detail="the Basic credentials are no base64 of UTF-8") from error
    client_id, colon, secret = decoded.partition(":")
    if not colon or not client_id:
        raise Refused(Reason.NO_CLIENT, detail="the Basic credentials name no client")
    client_id, secret = _form_decoded(client_id), _form_decoded(secret)
    if form.get("client_id", client_id) != client_id or (secret and "client_secret" in form):
        raise Refused(Reason.TWO_AUTHENTICATIONS)
    return Presented(NAME, client_id, secret) if secret else Presented(none.NAME, client_id, None)


def _form_decoded(text: str) -> str:
    if _BROKEN_PERCENT.search(text):
        raise Refused(Reason.NO_CLIENT, detail="the Basic credentials are not form-encoded")
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError as error:
        raise Refused(Reason.NO_CLIENT, detail="the Basic credentials are not UTF-8") from error
