"""Counts in the memory of this process, for as long as the store of counts is away. The rules are those of `policy`."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from authserver.throttling.counters import Charges, Delay
from authserver.throttling.policy import CLEARED, DAY, Bucket, Kind, Rule, Rules, Strangers
from authserver.throttling.slots import Slot

#: Rows of one process: about 30 MB.
MOST: Final = 1 << 16
_EMPTY: Final = Bucket(0, 0)


@dataclass(frozen=True, slots=True)
class _Row:
    check: int
    strangers: Strangers  # of a bucket: without failures
    forgotten_at: int


_Key = tuple[Kind | None, int]


class LocalCounters:
    """Keeps the counts of one process. Safe for threads.

    If there are more than `most` rows, those go first that would be forgotten first. So a flood of names and addresses,
    with one failure each, pushes out itself, and not the accounts that are guessed.
    """

    def __init__(self, rules: Rules, *, most: int = MOST, clock: Callable[[], int] | None = None) -> None:
        self._rules = rules
        self._most = most
        self._clock = clock or _milliseconds
        self._rows: dict[_Key, _Row] = {}
        self._lock = threading.Lock()

    def charge(self, charges: Charges) -> Delay | None:
        """Charge an attempt: see `Counters`."""
        with self._lock:
            now = self._clock()
            delays = self._delays(charges, now)
            longest = max(delays, key=lambda delay: delay.milliseconds, default=None)
            if longest is not None and longest.milliseconds > 0:
                return longest
            for kind, slot in charges.buckets:
                self._charge(kind, slot, self._rules.of_kind(kind), now)
            if charges.strangers is not None and not charges.is_known:
                self._charge(None, charges.strangers, self._rules.account, now)
            return None

    def refund(self, charges: Charges, *, clear: bool, end: bool) -> None:
        """Take the charges back: see `Counters`. A charge that another store has taken is not found here."""
        with self._lock:
            for kind, slot in charges.buckets:
                row = self._rows.get((kind, slot.number))
                if row is not None:
                    is_cleared = clear and kind in CLEARED and row.check == slot.check
                    left = 0 if is_cleared else row.strangers.bucket.empty_at - self._rules.of_kind(kind).period
                    self._keep(kind, slot.number, row.check, _with(row.strangers, left, 0))
            slot_of_strangers = charges.strangers
            row = None if slot_of_strangers is None else self._rows.get((None, slot_of_strangers.number))
            if slot_of_strangers is not None and row is not None:
                back = 0 if charges.is_known else 1
                failures = 0 if end and row.check == slot_of_strangers.check else max(row.strangers.failures - back, 0)
                left = row.strangers.bucket.empty_at - back * self._rules.account.period
                self._keep(None, slot_of_strangers.number, row.check, _with(row.strangers, left, failures))

    def __len__(self) -> int:
        return len(self._rows)

    def _delays(self, charges: Charges, now: int) -> list[Delay]:
        rules, is_first, delays = self._rules, False, []
        for kind, slot in charges.buckets:
            row = self._rows.get((kind, slot.number))
            bucket, rule = _EMPTY if row is None else row.strangers.bucket, rules.of_kind(kind)
            delays.append(Delay(kind, bucket.free_at(rule) - now))
            is_open = kind is Kind.PLACE and bucket.has_room(rule, now)
            is_first = is_first or is_open or kind is Kind.BACKEND
        if charges.strangers is not None and not charges.is_known:
            row = self._rows.get((None, charges.strangers.number))
            if row is not None:
                delays.append(Delay(None, row.strangers.free_at(rules, now, first=is_first) - now))
        return delays

    def _charge(self, kind: Kind | None, slot: Slot, rule: Rule, now: int) -> None:
        row = self._rows.get((kind, slot.number))
        is_forgotten = row is None or row.forgotten_at <= now
        before = Strangers(_EMPTY, 0, now) if row is None else row.strangers
        bucket = Bucket(min(max(before.bucket.empty_at, now) + rule.period, now + rule.fullest), now)
        days = (now - before.halved_at) // DAY
        failures = 0 if kind is not None else (before.failures >> days) + 1
        check = slot.check if row is None or is_forgotten else row.check
        self._keep(kind, slot.number, check, Strangers(bucket, failures, before.halved_at + days * DAY))
        if len(self._rows) > self._most:
            kept = heapq.nlargest(self._most * 3 // 4, self._rows.items(), key=lambda item: item[1].forgotten_at)
            self._rows = dict(kept)

    def _keep(self, kind: Kind | None, number: int, check: int, strangers: Strangers) -> None:
        counted = strangers.halved_at + strangers.failures.bit_length() * DAY if strangers.failures else 0
        self._rows[kind, number] = _Row(check, strangers, max(strangers.bucket.empty_at, counted))


def _with(strangers: Strangers, empty_at: int, failures: int) -> Strangers:
    return Strangers(Bucket(empty_at, strangers.bucket.charged_at), failures, strangers.halved_at)


def _milliseconds() -> int:
    """A clock that is never set back."""
    return time.monotonic_ns() // 1_000_000
