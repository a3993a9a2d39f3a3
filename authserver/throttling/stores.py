"""Which store keeps the counts: the database, or the one that a setting names."""

from __future__ import annotations

from authserver.database.engine import Database
from authserver.settings.model import Settings
from authserver.throttling.counters import Counters, DatabaseCounters
from authserver.throttling.local import LocalCounters
from authserver.throttling.outside import FallingBack, StoreReport
from authserver.throttling.policy import Rules
from authserver.throttling.slots import Slots


def open_counters(settings: Settings, database: Database, rules: Rules, slots: Slots) -> Counters:
    """The store of counts of this process. It is asked when an attempt is charged, and not before."""
    url = settings.throttling.store
    if url is None:
        return DatabaseCounters(database, rules)
    from authserver.throttling.redis import RedisCounters, open_client  # noqa: PLC0415 - the library is an extra

    # A thread needs one connection at most, so none waits for one.
    client = open_client(url.get_secret_value(), timeout=timeout(settings), connections=settings.server.threads + 1)
    return FallingBack(RedisCounters(client, rules, slots.installation), LocalCounters(rules))


def look(settings: Settings) -> StoreReport | None:
    """What an operator should know about the store that a setting names; None if the database keeps the counts."""
    url = settings.throttling.store
    if url is None:
        return None
    from authserver.throttling import redis  # noqa: PLC0415 - the library is an extra

    return redis.look(url.get_secret_value(), timeout=timeout(settings))


def timeout(settings: Settings) -> float:
    """Seconds that a request waits for the store: a tenth of what it waits for the database, which it needs too."""
    return settings.database.timeout / 10
