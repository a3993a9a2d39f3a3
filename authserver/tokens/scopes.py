"""Which scopes and which audience a token gets (RFC 6749 section 3.3, RFC 8707). Pure functions.

A scope that the client may not have is an error. A scope that the user's roles do not open is left out, and the
response's `scope` shows that. If no requested scope is left, that is an error too.
"""

from __future__ import annotations

from dataclasses import dataclass

from authserver.apis import own_sessions
from authserver.apis.model import Catalogue
from authserver.apis.registration import SCOPE
from authserver.clients.model import Client
from authserver.refusals.exceptions import Refused, named
from authserver.refusals.reasons import Reason


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for; None if the parameter was not sent."""

    scopes: frozenset[str] | None = None
    resources: frozenset[str] | None = None

    @property
    def anything(self) -> bool:
        return self.scopes is not None or self.resources is not None


@dataclass(frozen=True, slots=True)
class Access:
    """The scopes of a token, and its audience of at least one URI."""

    scopes: frozenset[str]
    audiences: frozenset[str]


def parse_scope(text: str | None) -> frozenset[str] | None:
    """Split a `scope` parameter into a set; None when it was not sent.

    Raises:
        Refused: a character outside the grammar of RFC 6749 section 3.3.
    """
    if text is None:
        return None
    words = text.split(" ")
    if not all(SCOPE.fullmatch(word) for word in words if word):
        raise Refused(Reason.SCOPE_SYNTAX)
    return frozenset(word for word in words if word) or None


def requested(client: Client, asked: Asked, catalogue: Catalogue) -> frozenset[str]:
    """The scopes that a client asks for, or its default scopes. Does not check roles and audiences.

    Raises:
        Refused: a scope or resource that the client may not have.
    """
    if unknown := (asked.resources or frozenset()) - _resources_of(client, catalogue):
        raise Refused(Reason.RESOURCE_UNKNOWN, about=named(unknown))
    if asked.scopes is None:
        default = client.default_scopes & client.scopes
        # The client's row may still name a scope of a removed API. Such a scope means nothing.
        known = frozenset(scope for scope in default if scope in catalogue.scopes)
        if asked.resources is None:
            return known
        return frozenset(scope for scope in known if catalogue.scopes[scope].audience in asked.resources)
    if refused := asked.scopes - (client.scopes & catalogue.scopes.keys()):
        raise Refused(Reason.SCOPE_NOT_ALLOWED, about=named(refused))
    return asked.scopes


def of_client(client: Client, asked: Asked, catalogue: Catalogue, issuer: str) -> Access:
    """Access of a client on its own behalf. Only users have roles, so roles do not matter here.

    Raises:
        Refused: as `requested`; also scopes of several APIs without `resource`.
    """
    scopes = requested(client, asked, catalogue)
    return Access(scopes, _audiences(client, asked, scopes, catalogue, issuer))


def of_user(client: Client, asked: Asked, roles: frozenset[str], catalogue: Catalogue, issuer: str) -> Access:
    """Access of a user through a client: capped by the user's roles.

    Raises:
        Refused: as `of_client`; also when the user's roles open none of the requested scopes.
    """
    wanted = requested(client, asked, catalogue)
    scopes = catalogue.open_to(wanted, roles)
    if asked.scopes is not None and not scopes:
        raise Refused(Reason.SCOPE_NEEDS_ROLE, about=named(asked.scopes))
    return Access(scopes, _audiences(client, asked, scopes, catalogue, issuer))


def of_refresh(client: Client, asked: Asked, granted: Access, roles: frozenset[str], catalogue: Catalogue) -> Access:
    """Access of one access token of a session: what was granted, still holds, and is requested now.

    It is never more than the session's, and the session does not change.

    Raises:
        Refused: a scope or resource beyond the session.
    """
    scopes = catalogue.open_to(granted.scopes & client.scopes, roles)
    if asked.scopes is not None:
        if beyond := asked.scopes - granted.scopes:
            raise Refused(Reason.SCOPE_BEYOND_SESSION, about=named(beyond))
        scopes &= asked.scopes
    if asked.resources is None:
        # If the scopes belong to no API, the session's audience stays: the client's default API, or the issuer.
        narrowed = granted.audiences & catalogue.owners(scopes) if asked.scopes is not None else frozenset()
        return Access(scopes, narrowed or granted.audiences)
    if beyond := asked.resources - granted.audiences:
        raise Refused(Reason.RESOURCE_BEYOND_SESSION, about=named(beyond))
    of_resources = frozenset(scope for scope in scopes if catalogue.scopes[scope].audience in asked.resources)
    if asked.scopes is not None and of_resources != scopes:
        raise Refused(Reason.SCOPE_NOT_OF_RESOURCE, about=named(scopes - of_resources))
    return Access(of_resources, asked.resources)


def _resources_of(client: Client, catalogue: Catalogue) -> frozenset[str]:
    """The APIs that a client may request: the APIs with a scope that it may have, and its default API."""
    owners = catalogue.owners(client.scopes)
    return owners if client.default_api is None else owners | ({client.default_api} & catalogue.apis.keys())


def _audiences(
    client: Client, asked: Asked, scopes: frozenset[str], catalogue: Catalogue, issuer: str
) -> frozenset[str]:
    owners = catalogue.owners(scopes)
    beside = owners & {own_sessions.AUDIENCE}
    owners -= beside
    if asked.resources is not None:
        if not owners | beside <= asked.resources:
            outside = (scope for scope in scopes if catalogue.scopes[scope].audience not in asked.resources)
            raise Refused(Reason.SCOPE_NOT_OF_RESOURCE, about=named(outside))
        return asked.resources
    if len(owners) > 1:
        raise Refused(Reason.SCOPE_OF_SEVERAL_APIS)
    if owners:
        return owners | beside
    if client.default_api is not None and client.default_api in catalogue.apis:
        return frozenset({client.default_api}) | beside
    return beside or frozenset({issuer})
