"""Access tokens: signed JWTs that an API checks by itself (RFC 9068), or opaque ones that it introspects."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from joserfc import jws, jwt
from joserfc.errors import JoseError

from authserver.apis.model import Catalogue
from authserver.clients.model import Client
from authserver.keys.keyring import Keyring, Snapshot
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.sessions.values import Session, expires_at
from authserver.tokens import opaque, status_list
from authserver.tokens.scopes import Access
from authserver.tokens.signing import only, sign
from authserver.users.subjects import subject_of

TYP = "at+jwt"
#: The most characters of an access token. A longer one is not made: with the other headers of a request it would not fit
#: into the 16 KiB of a head that the server reads, so its own issuer would refuse it.
LONGEST = 12 * 1024

# As many characters as header and signature have at most (RS256), and as the claims that are in every token, with the
# longest subject.
_ENVELOPE = 460
_FIXED_CLAIMS = 580


@dataclass(frozen=True, slots=True, repr=False)
class AccessToken:
    """A token as the client gets it, and its lifetime in seconds. It has no repr, because it is a secret."""

    text: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class OwnToken:
    """A recognised access token of this server. A client's own token has no session.

    `status_index` is its place in the status lists; None if the token was made before there were lists.
    """

    client_id: str
    session_id: UUID | None
    status_index: int | None
    claims: dict[str, Any]


def room(longest: int, issuer: str) -> int:
    """How many characters of JSON scopes, audiences and roles may have, so that no token is longer than `longest`."""
    return (longest - _ENVELOPE) * 3 // 4 - _FIXED_CLAIMS - 2 * len(issuer)  # `iss`, and the address of the status list


class AccessTokens:
    """Makes access tokens with the active key, and recognises them."""

    def __init__(self, keyring: Keyring, issuer: str) -> None:
        self._keyring = keyring
        self._issuer = issuer

    def keys(self) -> Snapshot:
        """The keys to make tokens with in a transaction, where nothing may wait for a second connection."""
        return self._keyring.current()

    def for_session(
        self,
        session: Session,
        client: Client,
        access: Access,
        catalogue: Catalogue,
        now: int,
        keys: Snapshot | None = None,
    ) -> AccessToken:
        """Make a token of a user. `now` is in milliseconds, by the database's clock. `keys` saves a look at the keyring.

        It expires no later than its session, and no later than the row's `access_expires_at`: an ended session leaves
        the status list then, so a token that lived longer would look valid again.

        Raises:
            Refused: it would be longer than `LONGEST`.
        """
        issued_at = now // 1000
        last = min(session.access_expires_at, expires_at(session)) // 1000  # rounded down from milliseconds
        # Times in tokens are whole seconds. In the session's last one a token is good for one second, not for none.
        end = max(min(issued_at + client.access_token_lifetime, last), issued_at + 1)
        claims: dict[str, Any] = {
            "sub": subject_of(session.subject, session.user_id),
            "sid": str(session.id),
            "auth_time": session.auth_time // 1000,
            "status": status_list.reference(self._issuer, session.status_index),
        }
        if session.roles:
            claims["roles"] = sorted(session.roles)
        return self._make(claims, client, access, catalogue, issued_at, end, keys or self.keys())

    def for_client(self, client: Client, access: Access, catalogue: Catalogue, now: int) -> AccessToken:
        """Make a token of a client on its own behalf. It has no session and no refresh token.

        `now`, in milliseconds, must be from before the client was looked up. If the client is ended in between, its
        old status index is listed only until the tokens made before that have expired.

        Raises:
            Refused: it would be longer than `LONGEST`.
        """
        issued_at = now // 1000
        claims: dict[str, Any] = {"sub": client.client_id}
        if client.status_index is not None:
            claims["status"] = status_list.reference(self._issuer, client.status_index)
        end = issued_at + client.access_token_lifetime
        return self._make(claims, client, access, catalogue, issued_at, end, self.keys())

    def recognise(self, text: str) -> OwnToken | None:
        """Verify that this server made an access token, and return it; None if it did not.

        Checks signature or seal, type and issuer. Does not check the times, because signing out with a token that has
        just expired must work. So this alone must never decide about access.
        """
        claims = opaque.unseal(self._keyring, text) if text.startswith(opaque.PREFIX) else self._verified_claims(text)
        if claims is None or claims.get("iss") != self._issuer:
            return None
        try:
            session_id = claims.get("sid")
            index = status_list.index_of(self._issuer, claims)
            return OwnToken(claims["client_id"], None if session_id is None else UUID(str(session_id)), index, claims)
        except (ValueError, KeyError, TypeError):
            return None

    def _verified_claims(self, text: str) -> dict[str, Any] | None:
        try:
            # Another node may have made this key a moment ago. Load it: a sign-out must not take the token as foreign.
            kid = jws.extract_compact(text.encode()).headers().get("kid")
            keys = self._keyring.snapshot_with(kid) if isinstance(kid, str) else self._keyring.current()
            token = jwt.decode(text, keys.published, registry=only(*keys.algorithms))
        except (JoseError, ValueError, TypeError):
            return None
        return token.claims if token.header.get("typ") == TYP else None

    def _make(
        self,
        claims: dict[str, Any],
        client: Client,
        access: Access,
        catalogue: Catalogue,
        issued_at: int,
        expires_at: int,
        keys: Snapshot,
    ) -> AccessToken:
        audiences = sorted(access.audiences)
        claims |= {
            "iss": self._issuer,
            "aud": audiences[0] if len(audiences) == 1 else audiences,
            "client_id": client.client_id,
            "iat": issued_at,
            "exp": expires_at,
            "jti": secrets.token_urlsafe(16),
        }
        if access.scopes:
            claims["scope"] = " ".join(sorted(access.scopes))
        formats: set[str | None] = {client.access_token_format}
        if client.access_token_format is None:  # one API of the audience that is set so makes the token opaque
            formats = {catalogue.apis[name].access_token_format for name in access.audiences if name in catalogue.apis}
        text = opaque.seal(keys, claims) if "opaque" in formats else sign(keys, TYP, claims)
        if len(text) > LONGEST:
            raise Refused(Reason.ACCESS_TOKEN_TOO_LONG, detail=f"an access token of {len(text)} characters")
        return AccessToken(text, expires_at - issued_at)
