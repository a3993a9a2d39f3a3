"""Use cases of first passwords: a link with which a user sets one, and an administrator to begin with."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from authserver.administration import users
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, NotFound
from authserver.administration.users import Profile
from authserver.apis.administration import ROLE
from authserver.records.audit import Event
from authserver.urls import origin_of
from authserver.users import links
from authserver.users.links import store
from authserver.users.model import UserRecord
from authserver.users.store import Filter


@dataclass(frozen=True, slots=True)
class Issued:
    """A link to hand to its user, shown this once. `expires_at` in milliseconds."""

    username: str
    url: str
    expires_at: int


def issue(admin: Administration, login: str) -> Issued:
    """Make a link with which the user sets a new password; it ends all sessions then, and earlier links now.

    The address is made from the issuer: a link that named whatever host a request claims would hand its secret there.

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
    return Issued(row.username, origin_of(admin.settings.issuer) + links.PATH + secret, expires_at)


def create_administrator(admin: Administration, name: str, email: str | None, password: str | None) -> UserRecord:
    """Add a user with the role that opens administration; without a password, `issue` a link for it next.

    Raises:
        Invalid, Conflict.
    """
    if password is None:
        require_pages(admin)
    return users.add(admin, Profile(name, email, frozenset({ROLE})), password)


def first_administrator(admin: Administration, name: str) -> Issued | None:
    """The link for a server's first start: makes the administrator where there is none at all.

    As long as that one has no password, each start has a new link, which ends the one before. None once there is an
    administrator, and where the name is somebody's who is none.

    Raises:
        Invalid, Conflict: the name breaks rules, or the server serves no pages.
    """
    users.check_profile(Profile(name, None, frozenset({ROLE})))
    require_pages(admin)
    if not has_administrator(admin):
        with suppress(Conflict):  # taken, or another node that starts was faster
            create_administrator(admin, name, None, None)
    try:
        row = users.find(admin, name)
    except NotFound:
        return None
    is_new = ROLE in row.roles and row.enabled and row.password_hash is None
    return issue(admin, str(row.id)) if is_new else None


def has_administrator(admin: Administration) -> bool:
    """Whether there is anybody with the role, enabled or not."""
    return bool(users.find_all(admin, Filter(role=ROLE), limit=1))


def require_pages(admin: Administration) -> None:
    """Raises `Conflict` where nothing would answer to a link."""
    if not (admin.settings.pages.account or admin.settings.pages.admin):
        raise Conflict("links need the server's pages: set pages.account or pages.admin to true")
