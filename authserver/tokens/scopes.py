"""Which scopes and which audience a token gets (RFC 6749 section 3.3, RFC 8707, DESIGN section 4). Pure functions.

Asked for and not allowed is an error, never a silent omission. Allowed to the client but not open to the user's roles
is left out, and the response's `scope` says so; when nothing is left of what was asked for, that is an error too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from authserver.apis import own_sessions
from authserver.apis.model import Catalogue
from authserver.clients.model import Client
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason

_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for: None where it does not say."""

    scopes: frozenset[str] | None = None
    resources: frozenset[str] | None = None

    @property
    def anything(self) -> bool:
        return self.scopes is not None or self.resources is not None


@dataclass(frozen=True, slots=True)
class Access:
    """What a token may say: its scopes, and its audience of at least one URI."""

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
    if not all(_SCOPE_TOKEN.fullmatch(word) for word in words if word):
        raise Refused(Reason.SCOPE_SYNTAX)
    return frozenset(word for word in words if word) or None


def of_client(client: Client, asked: Asked, catalogue: Catalogue, issuer: str) -> Access:
    """Access of a client on its own behalf. Roles are given to users, so none is asked for here.

    Raises:
        Refused: scope or resource that the client may not have; scopes of several APIs without `resource`.
    """
    scopes = _requested(client, asked, catalogue)
    return Access(scopes, _audiences(client, asked, scopes, catalogue, issuer))


def of_client_for_user(client: Client, asked: Asked, catalogue: Catalogue) -> Access:
    """What a client may ask for on behalf of some user: the check that can be made before the user is known.

    Raises:
        Refused: scope or resource that the client may not have.
    """
    return Access(_requested(client, asked, catalogue), asked.resources or frozenset())


def of_user(client: Client, asked: Asked, roles: frozenset[str], catalogue: Catalogue, issuer: str) -> Access:
    """Access of a user through a client: capped by the user's roles.

    Raises:
        Refused: as `of_client`; also when the user may have none of the scopes that were asked for.
    """
    wanted = _requested(client, asked, catalogue)
    scopes = catalogue.open_to(wanted, roles)
    if asked.scopes is not None and not scopes:
        raise Refused(Reason.SCOPE_NEEDS_ROLE)
    return Access(scopes, _audiences(client, asked, scopes, catalogue, issuer))


def of_refresh(
    client: Client,
    asked: Asked,
    granted: Access,
    roles: frozenset[str],
    catalogue: Catalogue,
) -> Access:
    """Access of one access token of a session: what was granted, still holds, and was asked for now.

    Never more than the session has, and the session stays as it is whatever is asked for.

    Raises:
        Refused: a scope or resource beyond the session.
    """
    scopes = catalogue.open_to(granted.scopes & client.scopes, roles)
    if asked.scopes is not None:
        if not asked.scopes <= granted.scopes:
            raise Refused(Reason.SCOPE_BEYOND_SESSION)
        scopes &= asked.scopes
    if asked.resources is None:
        # Without scopes of an API the session's own audience stands: the client's default API, or the issuer.
        narrowed = granted.audiences & catalogue.owners(scopes) if asked.scopes is not None else frozenset()
        return Access(scopes, narrowed or granted.audiences)
    if not asked.resources <= granted.audiences:
        raise Refused(Reason.RESOURCE_BEYOND_SESSION)
    of_resources = frozenset(scope for scope in scopes if catalogue.scopes[scope].audience in asked.resources)
    if asked.scopes is not None and of_resources != scopes:
        raise Refused(Reason.SCOPE_NOT_OF_RESOURCE)
    return Access(of_resources, asked.resources)


def _requested(client: Client, asked: Asked, catalogue: Catalogue) -> frozenset[str]:
    if asked.resources is not None and not asked.resources <= _resources_of(client, catalogue):
        raise Refused(Reason.RESOURCE_UNKNOWN)
    if asked.scopes is None:
        default = client.default_scopes & client.scopes
        # A scope whose API was removed is still named by the client's row, and means nothing.
        known = frozenset(scope for scope in default if scope in catalogue.scopes)
        if asked.resources is None:
            return known
        return frozenset(scope for scope in known if catalogue.scopes[scope].audience in asked.resources)
    if not asked.scopes <= client.scopes or not asked.scopes <= catalogue.scopes.keys():
        raise Refused(Reason.SCOPE_NOT_ALLOWED)
    return asked.scopes


def _resources_of(client: Client, catalogue: Catalogue) -> frozenset[str]:
    """The APIs that a client may ask for: those with a scope that it may have, and its default API."""
    owners = catalogue.owners(client.scopes)
    return owners if client.default_api is None else owners | ({client.default_api} & catalogue.apis.keys())


def _audiences(
    client: Client, asked: Asked, scopes: frozenset[str], catalogue: Catalogue, issuer: str
) -> frozenset[str]:
    beside = frozenset({own_sessions.AUDIENCE}) & catalogue.owners(scopes)
    owners = catalogue.owners(scopes) - beside
    if asked.resources is not None:
        if not owners | beside <= asked.resources:
            raise Refused(Reason.SCOPE_NOT_OF_RESOURCE)
        return asked.resources
    if len(owners) > 1:
        raise Refused(Reason.SCOPE_OF_SEVERAL_APIS)
    if owners:
        return owners | beside
    if client.default_api is not None and client.default_api in catalogue.apis:
        return frozenset({client.default_api}) | beside
    return beside or frozenset({issuer})
