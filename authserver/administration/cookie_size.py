"""Whether a client's access token fits into its cookie, told before a sign-in is refused."""

from __future__ import annotations

from collections.abc import Iterable

from authserver.apis.model import Catalogue
from authserver.clients.fields import Registration
from authserver.clients.model import ClientRecord
from authserver.tokens.access_token import room
from authserver.web_apps.cookies import CookieJar

#: What a client that may not fit is told.
TOO_LONG = (
    "the access token may be too long for a cookie, because browsers keep at most 4,096 bytes, and then sign-ins and "
    "refreshes are refused: give the client fewer default scopes, or deliver only the refresh token in a cookie"
)


def may_be_too_long(
    client: Registration | ClientRecord, catalogue: Catalogue, issuer: str, roles: Iterable[str] = ()
) -> bool:
    """Whether the scopes that a client gets by default, and these roles, may not fit into its access cookie."""
    if client.token_delivery != "both_cookies":
        return False
    scopes = client.scopes if client.default_scopes is None else client.default_scopes & client.scopes
    # A word of a list has quotes and a comma around it. Scopes stand in one text, with a space between.
    characters = sum(len(scope) + 1 for scope in scopes)
    characters += sum(len(word) + 3 for word in [*catalogue.owners(scopes), *roles])
    return characters > room(CookieJar(issuer).longest_access_token(client.client_id), issuer)
