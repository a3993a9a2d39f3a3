"""The two acts that must not meet: adding a user with a subject, and registering a client of that id."""

from __future__ import annotations

from authserver.administration import clients, users
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict
from authserver.administration.users import Profile
from authserver.clients.fields import Registration


def add_user(admin: Administration, subject: str, name: str | None = None) -> str:
    """Add a user; returns "user", or "refused" for a subject that is taken."""
    try:
        users.add(admin, Profile(name or f"user-of-{subject}", None, frozenset(), subject), None)
    except Conflict:
        return "refused"
    return "user"


def register(admin: Administration, client_id: str) -> str:
    """Register a service; returns "client", or "refused" for an id that is taken."""
    methods, grants = frozenset({"client_secret_basic"}), frozenset({"client_credentials"})
    registration = Registration(
        client_id=client_id,
        name="Shop",
        kind="service",
        auth_methods=methods,
        grants=grants,
        scopes=frozenset({"read"}),
    )
    try:
        clients.add(admin, registration)
    except Conflict:
        return "refused"
    return "client"
