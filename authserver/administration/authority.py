"""Keeps administrators from giving away, or taking over, authority that they do not have themselves.

Without this, each scope that writes would be worth all of them. With the scope for clients one could register a client
that may do anything, and with the scope for users set the first administrator's password. The command line has all
authority, because its user can read the database anyway.
"""

from __future__ import annotations

from sqlalchemy import Connection

from authserver.administration.context import Administration
from authserver.administration.errors import Forbidden
from authserver.apis import store as apis
from authserver.apis.administration import PREFIX, SCOPES
from authserver.apis.model import Catalogue


def require_scopes(admin: Administration, scopes: frozenset[str], what: str) -> None:
    """Refuse to touch a client or API with scopes of administration that the actor lacks.

    Raises:
        Forbidden: names the scopes.
    """
    if admin.authority is None:
        return
    beyond = sorted(scope for scope in scopes if scope.startswith(PREFIX) and scope not in admin.authority)
    if beyond:
        raise Forbidden(f"{what} takes authority that you do not have yourself: {', '.join(beyond)}")


def require_roles(admin: Administration, connection: Connection, roles: frozenset[str], what: str) -> None:
    """Refuse to touch a user whose roles open scopes of administration that the actor lacks.

    Raises:
        Forbidden: names the scopes.
    """
    if admin.authority is not None:
        require_scopes(admin, opened_by(apis.read(connection), roles), what)


def opened_by(catalogue: Catalogue, roles: frozenset[str]) -> frozenset[str]:
    """The scopes of administration that these roles open to a user. A scope without roles opens to no user here."""
    return frozenset(
        name
        for name in SCOPES
        if name in catalogue.scopes and catalogue.scopes[name].roles and catalogue.scopes[name].is_open_to(roles)
    )
