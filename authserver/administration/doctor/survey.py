"""What the doctor looks at, read once. The number of statements does not grow with clients and users."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from authserver.administration import recovery, throttling
from authserver.administration.context import Administration
from authserver.apis import store as apis
from authserver.apis.model import Catalogue
from authserver.clients import store as clients
from authserver.clients.model import ClientRecord
from authserver.database import schema
from authserver.database.connections import lost_limits
from authserver.database.status_indices import prove_writable
from authserver.keys import store as keys
from authserver.keys.model import KeyRecord, Kind
from authserver.keys.setup import schedule
from authserver.keys.vault import MasterKeyError
from authserver.records import activity, audit
from authserver.records.audit import Event, Search
from authserver.settings.model import Settings
from authserver.settings.values import DAY
from authserver.throttling import stores
from authserver.throttling.counters import Delayed
from authserver.throttling.outside import StoreAway, StoreReport
from authserver.users import store as users
from authserver.users.model import HashCount, UserRecord

#: A database that goes back is noticed for so long, in milliseconds.
_LATELY = 3_600_000
#: Reading a hash takes about 0.02 ms.
MOST_HASHES = 10_000


@dataclass(frozen=True, slots=True)
class Survey:
    """What the checks look at. `now` is the database's time, in milliseconds.

    `skew` says by how many seconds this node's clock differs. `lost_limits` has the time-outs of the database that this
    node's connections lack. `role_sets` has the sets of roles of enabled users.
    `some_hashes` has names and hashes of at most `MOST_HASHES` of them. `recovery` is the one that was declared last.
    `unbelieved` says that a request within a day had a forwarded header of a proxy that is not trusted.
    `went_back` says that a token was put off within the last hour because it was newer than its session. `counts` is
    about the store of counts, if that is not the database. `at_limit` says at how many names strangers have met the limit
    of failures in a row; None if that cannot be read, which other checks find.
    """

    settings: Settings
    now: int
    skew: float
    lost_limits: Sequence[str]
    clients: Sequence[ClientRecord]
    catalogue: Catalogue
    keys: Sequence[KeyRecord]
    key_lifetimes: Mapping[Kind, int]
    hashes: Sequence[HashCount]
    some_hashes: Sequence[UserRecord]
    role_sets: frozenset[frozenset[str]]
    recovery: recovery.Status | None
    unbelieved: bool
    went_back: bool
    counts: StoreReport | None
    at_limit: Delayed | None

    @property
    def roles(self) -> frozenset[str]:
        """Every role that some enabled user has."""
        return frozenset[str]().union(*self.role_sets)


def take(admin: Administration) -> Survey:
    """Read everything.

    Raises:
        SchemaOutdated, or one of `Unavailable`: also if the database takes no writes.
    """
    schema.check(admin.database)
    prove_writable(admin.database)
    before = time.time()
    now = admin.database.now()
    # The database's time lies between `before` and now; the rest is skew.
    skew = max(before - now / 1000, now / 1000 - time.time(), 0.0)
    newer = Search(event=Event.SESSION_FROM_THE_FUTURE.value, since=now - _LATELY)
    last = recovery.status(admin)
    counts = stores.look(admin.settings)
    at_limit = _at_limit(admin, counts)
    with admin.database.autocommit() as connection:
        return Survey(
            settings=admin.settings,
            now=now,
            skew=skew,
            lost_limits=lost_limits(connection),
            clients=[row for row in clients.read_all(connection) if row.enabled],
            catalogue=apis.read(connection),
            keys=keys.all_keys(connection),
            key_lifetimes=schedule(admin.settings).lifetime,
            hashes=users.count_hashes(connection),
            some_hashes=users.some_hashes(connection, MOST_HASHES),
            role_sets=users.role_sets(connection),
            recovery=last,
            unbelieved=activity.has(connection, activity.UNBELIEVED, since=now - DAY * 1000),
            went_back=bool(audit.find(connection, newer, limit=1)),
            counts=counts,
            at_limit=at_limit,
        )


def _at_limit(admin: Administration, counts: StoreReport | None) -> Delayed | None:
    if counts and counts.failure:
        return None
    try:
        return throttling.at_limit(admin)
    except (MasterKeyError, StoreAway):
        return None
