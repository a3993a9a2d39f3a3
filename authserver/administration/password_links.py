"""Use cases of first passwords: a link with which a user sets one, and the first administrator."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from authserver.administration import users
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, NotFound
from authserver.administration.users import Profile
from authserver.apis.administration import ROLE
from authserver.records.audit import Event
from authserver.users import links
from authserver.users.links import store
from authserver.users.model import UserRecord
from authserver.users.store import Filter


@dataclass(frozen=True, slots=True)
class Issued:
    """A link for its user, shown only now. `expires_at` is in milliseconds."""

    username: str
    url: str
    expires_at: int


def issue(admin: Administration, login: str) -> Issued:
    """Make a link with which the user sets a new password. Earlier links end now, all sessions when the link is used.

    The link begins with the issuer. If it began with the host that a request names, an attacker could get the secret.

    Raises:
        NotFound, Forbidden.
        Conflict: the user is disabled, or the server serves no pages.
    """
    require_pages(admin)
    secret = links.new_secret()
    lifetime = admin.settings.pages.link_lifetime * 1000
    with admin.transaction() as connection:
        row = users.lock(admin, connection, login)
        if not row.enabled:
            raise Conflict(f"the user {row.username} is disabled: enable the user first")
        expires_at = store.replace(connection, row.id, links.digest(secret), lifetime_ms=lifetime)
        admin.record(connection, Event.USER_PASSWORD_LINK_ISSUED, user_id=row.id)
    return Issued(row.username, admin.settings.issuer + links.PATH + secret, expires_at)


def create_administrator(admin: Administration, name: str, email: str | None, password: str | None) -> UserRecord:
    """Add a user with the role that opens administration. Without a password, call `issue` next.

    Raises:
        Invalid, Conflict.
    """
    if password is None:
        require_pages(admin)
    return users.add(admin, Profile(name, email, frozenset({ROLE})), password)


def first_administrator(admin: Administration, name: str) -> Issued | None:
    """The link for a server's first start. Adds the administrator if there is no administrator at all.

    Until the password is set, each start makes a new link, which ends the one before. Returns None if no user has this
    name, and if the user has a password, is disabled or is no administrator.

    Raises:
        Invalid, Conflict: the name breaks rules, or the server serves no pages.
    """
    users.check_profile(Profile(name, None, frozenset({ROLE})))
    require_pages(admin)
    if not has_administrator(admin):
        with suppress(Conflict):  # the name is taken, or another node was faster
            create_administrator(admin, name, None, None)
    try:
        row = users.find(admin, name)
    except NotFound:
        return None
    is_new = ROLE in row.roles and row.enabled and row.password_hash is None
    return issue(admin, str(row.id)) if is_new else None


def has_administrator(admin: Administration) -> bool:
    """Whether a user has the role that opens administration, enabled or not."""
    return bool(users.find_all(admin, Filter(role=ROLE), limit=1))


def require_pages(admin: Administration) -> None:
    """Raises `Conflict` if the server has no page for a link."""
    if not (admin.settings.pages.account or admin.settings.pages.admin):
        raise Conflict("links need the server's pages: set pages.account or pages.admin to true")
