"""Use cases of throttling: see what counts failed attempts now, and empty counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from authserver.administration import clients, users
from authserver.administration.authority import require_roles
from authserver.administration.context import THROTTLING_SECRET, Administration
from authserver.administration.errors import Invalid, NotFound
from authserver.clients.model import ClientRecord
from authserver.keys import store as keys
from authserver.records.audit import Event
from authserver.throttling.counters import Delayed
from authserver.throttling.places import place_of
from authserver.throttling.viewing import STRANGERS, Count, Named
from authserver.users.model import UserRecord
from authserver.users.names import login_key

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Target:
    """What counts are asked for. `user` and `client` have the name and the id, if there are such."""

    named: Named
    user: UserRecord | None
    client: ClientRecord | None


def target(admin: Administration, *, user: str | None, address: str | None, client: str | None) -> Target:
    """Check what was asked for.

    `user` is a user name, an e-mail address or an id. A user's name and address have a count each, and both are meant.
    Attempts at a name or client that does not exist are counted too.

    Raises:
        Invalid: it names no counts, or the address is no IP address.
    """
    if address is not None and place_of(address) is None:
        raise Invalid(f"{address[:60]!r} is no IP address", field="address")
    if user is None and address is None and client is None:
        raise Invalid("say whose counts: of a user, of an address, or of a client at an address")
    if user is None and address is None:
        raise Invalid("a client's wrong secrets are counted by address: give the address too", field="address")
    if user is not None and address is not None and client is not None:
        raise Invalid("a client stands for an address that is not known: give one of the two", field="client")
    row = None if user is None else _found(users.find, admin, user)
    accounts = () if user is None else _accounts(row, user)
    return Target(
        Named(accounts, address, client), row, None if client is None else _found(clients.find, admin, client)
    )


def show(admin: Administration, which: Target) -> list[Count]:
    """The counts in which there is a failure. Changes nothing."""
    return admin.counts.read(which.named)


def delayed(admin: Administration) -> Mapping[str, Delayed]:
    """How many counts of each kind delay somebody now. Whom they are of cannot be told: a row holds a digest."""
    return admin.counts.delayed()


def at_limit(admin: Administration) -> Delayed:
    """At how many names strangers have met the limit of failures in a row. Whose they are cannot be told. Changes nothing.

    Raises:
        MasterKeyError, or StoreAway.
    """
    if admin.resources is None:
        with admin.reading() as connection:
            # The first count makes the secret. Without one there is no count, and this is not the place to make it.
            if not keys.has_secret(connection, THROTTLING_SECRET):
                return Delayed(0, is_estimate=False)
    return admin.counts.at_limit()


def delay_by_strangers(admin: Administration, user: UserRecord) -> int | None:
    """Until when strangers' failures delay sign-ins of a user from places that the user does not use; None if they do not."""
    found = admin.counts.read(Named(_accounts(user, "")))
    return max((count.next_at for count in found if count.kind == STRANGERS and count.next_at), default=None)


def lift(admin: Administration, which: Target) -> list[Count]:
    """Empty counts, so that the next attempt is not delayed. Returns what stood there.

    The record names the user, or says that no user has the name: people type passwords into that field.

    Raises:
        Forbidden: the user has authority that the actor lacks. A guesser could have them lift the delay again and again.
    """
    counts = admin.counts
    admin.check_unchanged(which)
    with admin.transaction() as connection:
        if which.user is not None:
            require_roles(admin, connection, which.user.roles, "lifting the delay of this user")
        lifted = counts.lift(which.named, connection)
        if lifted:
            admin.record(connection, Event.THROTTLE_LIFTED, **_recorded(which, lifted))
    return lifted


def _recorded(which: Target, lifted: list[Count]) -> dict[str, Any]:
    place = place_of(which.named.address)
    near = None if place is None else place.near
    detail: dict[str, object] = {"lifted": [{"count": count.kind, "failures": count.failures} for count in lifted]}
    if near is not None:
        detail["place"] = near
    if which.named.accounts and which.user is None:
        detail["name"] = "no user has it"
    user_id = None if which.user is None else which.user.id
    client_id = None if which.client is None else which.client.client_id
    subject = str(user_id) if user_id else client_id or near
    return {"subject": subject, "user_id": user_id, "client_id": client_id, "detail": detail}


def _found(find: Callable[[Administration, str], Row], admin: Administration, name: str) -> Row | None:
    try:
        return find(admin, name)
    except NotFound:
        return None


def _accounts(user: UserRecord | None, typed: str) -> tuple[str, ...]:
    """The folded names under which sign-ins are counted."""
    keys = (login_key(typed)[1],) if user is None else (user.username_key, user.email_key)
    return tuple(key for key in keys if key is not None)
