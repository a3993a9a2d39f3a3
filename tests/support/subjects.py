"""The two acts that must not meet: adding a user with a subject, and registering a client of that id."""

from __future__ import annotations

from authserver.administration import clients, users
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict
from authserver.administration.users import Profile
from authserver.clients.fields import Registration
from tests.support.setup import Setup


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


def before_and_after_the_upgrade(setup: Setup) -> tuple[Administration, Administration]:
    """On a database that the version before has used: while its nodes may run, and once the setting denies it."""
    setup.sql("DELETE FROM schema_origin")
    denied = setup.settings.database.model_copy(update={"all_nodes_new": True})
    settings = setup.settings, setup.with_settings(database=denied)
    before, after = (Administration(setup.database, one, "cli:tester") for one in settings)
    return before, after
