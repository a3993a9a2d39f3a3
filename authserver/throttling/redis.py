"""Counts in Redis or Valkey: one script charges all buckets of an attempt. Its clock decides, and forgotten keys expire."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

from redis import ConnectionPool, Redis
from redis import exceptions as errors
from redis.backoff import NoBackoff
from redis.retry import Retry

from authserver.throttling.counters import Charges, Counted, Delay, Delayed, waits_until
from authserver.throttling.outside import StoreFailed, StoreReport
from authserver.throttling.policy import CLEARED, DAY, Bucket, Kind, Rule, Rules, Strangers
from authserver.throttling.slots import Slot

_SCRIPT: Final = Path(__file__).with_name("counters.lua").read_text(encoding="utf-8")
#: The form of the rows is part of the name: a server that wrote another one would not read them.
_PREFIX: Final = "authserver:throttle:1"
#: Keys that `delayed` looks at, about, and those that it asks for at once.
_SAMPLE: Final = 10_000
_SLICE: Final = 2500
#: The first that fits counts.
_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (errors.TimeoutError, "slow"),
    (errors.AuthenticationError, "login"),
    (errors.NoPermissionError, "login"),
    (errors.ReadOnlyError, "read_only"),
    (errors.OutOfMemoryError, "full"),
    (errors.ConnectionError, "unreachable"),
    (errors.RedisError, "refused"),
    (OSError, "unreachable"),
)


class RedisCounters:
    """Keeps the counts in Redis or Valkey. `installation` keeps the keys of several servers apart."""

    def __init__(self, client: Redis, rules: Rules, installation: str, *, sample: int = _SAMPLE) -> None:
        self._client = client
        self._script = client.register_script(_SCRIPT)
        self._prefix = f"{_PREFIX}:{installation}"
        self._rules = rules
        self._most = sample
        self._buckets = {kind: _row(rules.of_kind(kind), kind) for kind in Kind}
        self._strangers = {**_row(rules.account), "is_strangers": True}

    def charge(self, charges: Charges) -> Delay | None:
        """Charge an attempt: see `Counters`. One round trip.

        Raises:
            StoreFailed: the attempt may have been charged, or may be yet.
        """
        refused = self._run(charges, {"act": "charge", "in_a_row": self._rules.in_a_row})
        if refused is None:
            return None
        position, milliseconds = refused
        kinds = [kind for kind, _ in charges.buckets]
        return Delay(kinds[position - 1] if position <= len(kinds) else None, milliseconds)

    def refund(self, charges: Charges, *, clear: bool, end: bool) -> None:
        """Take the charges back: see `Counters`. One round trip.

        Raises:
            StoreFailed: the charges may have been taken back, or may be yet.
        """
        self._run(charges, {"act": "refund", "clear": clear, "end": end})

    def read(self, charges: Charges) -> Counted:
        """What stands in these counts. Changes nothing. Raises `StoreFailed`."""
        return self._counted("read", charges)

    def lift(self, charges: Charges) -> Counted:
        """Empty these counts, and end the failures in a row. Returns what stood there. Raises `StoreFailed`."""
        return self._counted("lift", charges)

    def delayed(self) -> Mapping[Kind | None, Delayed]:
        """How many counts of each kind delay somebody now. Raises `StoreFailed`.

        Of many keys a part is read, and the number is an estimate: Redis lists them in the order of their hashes.
        """
        rows, share, now = self._some_rows()
        found = Counter[int]()
        for number, row in rows:
            if number == 0 or number in set(Kind):  # a newer node may know others
                kind = Kind(number) if number else None
                found[number] += waits_until(self._rules, kind, row.bucket if kind else row, now) is not None
        return {kind: Delayed(round(found[kind or 0] / share), share < 1) for kind in (*Kind, None)}

    def at_limit(self) -> Delayed:
        """At how many accounts strangers are at their limit: see `Counters`. Raises `StoreFailed`.

        As `delayed`, it reads a part of many keys.
        """
        rows, share, now = self._some_rows()
        found = sum(number == 0 and row.in_a_row(now) >= self._rules.in_a_row for number, row in rows)
        return Delayed(round(found / share), share < 1)

    def prove(self) -> None:
        """Write something that counts for nothing.

        Raises:
            StoreFailed: the store takes no writes.
        """
        prove(self._client)

    def _counted(self, act: str, charges: Charges) -> Counted:
        now, *found = self._run(charges, {"act": act}) or (0,)
        kinds = [*(kind for kind, _ in charges.buckets), None]
        rows = {kind: _read(row) for kind, row in zip(kinds, found, strict=False) if row}
        strangers = rows.pop(None, None)
        return Counted(int(now), {kind: row.bucket for kind, row in rows.items() if kind is not None}, strangers)

    def _some_rows(self) -> tuple[list[tuple[int, Strangers]], float, int]:
        """Some rows of this server with the numbers of their kinds, the share of all keys that was looked at, and the time."""
        cursor, seen, texts, prefix = 0, 0, dict[bytes, bytes](), f"{self._prefix}:".encode()
        with _Translated():
            while True:
                cursor, keys = cast("tuple[int, list[bytes]]", self._client.scan(cursor, count=_SLICE))
                ours = [key for key in keys if key.startswith(prefix)]
                found = cast("list[bytes | None]", self._client.mget(ours) if ours else [])
                texts |= {key: row for key, row in zip(ours, found, strict=True) if row}
                seen += len(keys)
                if not cursor or seen >= self._most:
                    break
            share = min(1.0, seen / self._client.dbsize()) if cursor else 1.0
            seconds, microseconds = self._client.time()
        rows = [(int(key.split(b":")[-2]), _read(text)) for key, text in texts.items()]
        return rows, share, int(seconds) * 1000 + int(microseconds) // 1000

    def _run(self, charges: Charges, act: dict[str, Any]) -> Any:
        keys = [self._key(int(kind), slot) for kind, slot in charges.buckets]
        rows = [{**self._buckets[kind], "check": slot.check} for kind, slot in charges.buckets]
        if charges.strangers is not None:
            keys.append(self._key(0, charges.strangers))
            rows.append({**self._strangers, "check": charges.strangers.check})
        if not keys:
            return None
        given = {**act, "is_known": charges.is_known, "day": DAY, "rows": rows}
        with _Translated():
            return self._script(keys, [json.dumps(given)])

    def _key(self, kind: int, slot: Slot) -> str:
        return f"{self._prefix}:{kind}:{slot.number}"


def open_client(url: str, *, timeout: float, connections: int = 1) -> Redis:
    """A client with a pool. It connects when it is first used, also in a process that was forked.

    `timeout` is in seconds, and holds for a connection and for each answer. Nothing is tried twice: a second try would
    wait for the time-out again.
    """
    pool = ConnectionPool.from_url(
        url,
        max_connections=connections,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        driver_info=None,
    )
    return Redis(connection_pool=pool)


def prove(client: Redis) -> None:
    """Write something that counts for nothing. Raises `StoreFailed` if the store takes no writes."""
    with _Translated():
        client.set(f"{_PREFIX}:proof", "", px=1000)


def look(url: str, *, timeout: float) -> StoreReport:
    """What an operator should know about the store. It may not tell: a managed one often knows no `CONFIG`."""
    client, about, snapshots = open_client(url, timeout=timeout), dict[str, Any](), None
    try:
        prove(client)
        with _Translated(), suppress(errors.ResponseError, KeyError):
            about = client.info()
            snapshots = bool(cast("dict[str, str]", client.config_get("save"))["save"])
    except StoreFailed as failure:
        return StoreReport(failure)
    finally:
        client.close()
    understands = str(about.get("redis_version", ""))
    return StoreReport(
        version=str(about.get("valkey_version", understands)),
        understands=tuple(int(part) for part in understands.split(".")[:2] if part.isdecimal()),
        evicts=str(about.get("maxmemory_policy")) if about.get("maxmemory") else None,
        has_log=bool(about["aof_enabled"]) if "aof_enabled" in about else None,
        has_snapshots=snapshots,
    )


class _Translated:
    """Turns the errors of the client into `StoreFailed`. None of their texts has a part of the URL but host and port."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        for kind, reason in _REASONS:
            if isinstance(error, kind):
                raise StoreFailed(reason, " ".join(str(error).split())) from error


def _row(rule: Rule, kind: Kind | None = None) -> dict[str, Any]:
    numbers = {
        "free": rule.free,
        "period": rule.period,
        "shortest": rule.delays[0],
        "longest": rule.longest,
        "fullest": rule.fullest,
    }
    is_origin = {"is_place": kind is Kind.PLACE, "is_backend": kind is Kind.BACKEND}
    return {"rule": numbers, **is_origin, "is_cleared": kind in CLEARED}


def _read(text: bytes) -> Strangers:
    """A row as the script writes it. A bucket has no failures in a row."""
    _check, empty_at, charged_at, failures, halved_at = map(int, text.split())
    return Strangers(Bucket(empty_at, charged_at), failures, halved_at)
