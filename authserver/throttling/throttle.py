"""Throttling for the rest of the server: charge an attempt before the check, take the charge back if it was right."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, replace
from uuid import UUID

from authserver.database.failures import Unavailable
from authserver.records.metrics import NOT_RECORDED, THROTTLED
from authserver.refusals.exceptions import TryLater
from authserver.refusals.reasons import Reason
from authserver.throttling.counters import Charges, Counters, Delay
from authserver.throttling.places import Place, place_of
from authserver.throttling.policy import Kind, Rules
from authserver.throttling.slots import Slot, Slots

#: Seconds in which nothing is counted after the database has not taken a count.
_PAUSE = 10.0

_REASONS = {
    Kind.ADDRESS: Reason.THROTTLED_ADDRESS,
    Kind.NETWORK: Reason.THROTTLED_ADDRESS,
    Kind.PLACE: Reason.THROTTLED_PLACE,
    Kind.CONFIRMATION: Reason.THROTTLED_CONFIRMATION,
    Kind.LINK: Reason.THROTTLED_LINK,
    Kind.CLIENT: Reason.THROTTLED_CLIENT,
    Kind.DEVICE: Reason.THROTTLED_DEVICE,
    Kind.BACKEND: Reason.THROTTLED_BACKEND,
    None: Reason.THROTTLED_STRANGERS,
}


class Throttled(TryLater):
    """Too many failures: nothing was checked or charged. Answer 429 with `Retry-After: retry_after` (whole seconds)."""

    def __init__(self, delay: Delay) -> None:
        super().__init__(_REASONS[delay.kind], retry_after=max(1, math.ceil(delay.milliseconds / 1000)))


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in or confirmation before its password is checked.

    `place` is how a known place is written down; None if the address says nothing about the user.
    """

    charges: Charges
    place: bytes | None = None

    def from_known_place(self) -> Attempt:
        """The same attempt of a user who has signed in from there."""
        return replace(self, charges=replace(self.charges, is_known=True))


class Throttle:
    """Counts attempts. One per process, safe for threads. `charge` and what counts failures raise `Throttled`."""

    def __init__(self, counters: Counters, rules: Rules, slots: Slots) -> None:
        self._counters = counters
        self._rules = rules
        self.slots = slots
        self._counting_again_at = 0.0  # by time.monotonic()
        self._counting = threading.BoundedSemaphore(2)

    def sign_in(self, account: str, address: str | None, client_id: str | None) -> Attempt:
        """Make the attempt of a sign-in. Charges nothing yet.

        `account` is the folded name, whether there is such a user or not. `address` is None if it is not the user's. Then
        the client stands for the place, and never becomes a known one.
        """
        place = place_of(address)
        strangers = self.slots.strangers(account) if self._rules.counts_strangers else None
        if place is None:
            return Attempt(Charges(self._bucket(Kind.BACKEND, account, client_id or ""), strangers))
        buckets = (*self._addresses(place), *self._bucket(Kind.PLACE, account, place.near))
        return Attempt(Charges(buckets, strangers), self.slots.place(place.near))

    def from_device(self, attempt: Attempt, device: str) -> Attempt:
        """The same attempt from a known device of the user. Neither strangers nor neighbours of its address delay it."""
        return replace(
            attempt, charges=Charges(self._bucket(Kind.DEVICE, device), attempt.charges.strangers, is_known=True)
        )

    def confirmation(self, visit_id: UUID) -> Attempt:
        """Make the attempt of a user who types the password again. Charges nothing yet.

        Only the holder of the visit's cookie can raise this count, and from any place: so no stranger delays the user.
        """
        return Attempt(Charges(self._bucket(Kind.CONFIRMATION, str(visit_id))))

    def charge(self, attempt: Attempt) -> None:
        """Charge an attempt, before its hash."""
        self._charge(attempt.charges)

    def withdraw(self, attempt: Attempt) -> None:
        """Take the charge back, because the password was not checked. If the store does not take it, the charge stays."""
        self._refund(attempt, clear=False, end=False)

    def accept(self, attempt: Attempt) -> None:
        """Take the charge back, because the password was right. The account at this place is cleared.

        The row of failures ends if the user is in a known place. It also ends where places are not known: there nothing
        else could end it. If the store does not take it, the charge stays: a right password is right all the same.
        """
        self._refund(attempt, clear=True, end=attempt.charges.is_known or attempt.place is None)

    def wrong_client(self, client_id: str, address: str | None) -> None:
        """Count a wrong client secret, after the comparison: a right one costs nothing and is never refused."""
        self._count(
            Charges((*self._addresses(place_of(address)), *self._bucket(Kind.CLIENT, client_id, _near(address))))
        )

    def wrong_link(self, address: str | None) -> None:
        """Count a one-time link that does not work."""
        self._count(Charges((*self._addresses(place_of(address)), *self._bucket(Kind.LINK, _near(address)))))

    def _refund(self, attempt: Attempt, *, clear: bool, end: bool) -> None:
        try:
            self._counters.refund(attempt.charges, clear=clear, end=end)
        except Unavailable:
            NOT_RECORDED.labels("throttle").inc()

    def _count(self, charges: Charges) -> None:
        """Charge what was refused already. If the database does not take it, the refusal stays what it is.

        No further one is counted for a while then, because each may hold a thread until the database's timeout. Of several at
        once only two are: all of one address wait for one row, and a flood of them must not take the threads of others.
        """
        if time.monotonic() < self._counting_again_at or not self._counting.acquire(blocking=False):
            return
        try:
            self._charge(charges)
        except Unavailable:
            self._counting_again_at = time.monotonic() + _PAUSE
            NOT_RECORDED.labels("throttle").inc()
        finally:
            self._counting.release()

    def _charge(self, charges: Charges) -> None:
        delay = self._counters.charge(charges)
        if delay is not None:
            THROTTLED.labels("strangers" if delay.kind is None else delay.kind.name.lower()).inc()
            raise Throttled(delay)

    def _addresses(self, place: Place | None) -> tuple[tuple[Kind, Slot], ...]:
        if place is None:
            return ()
        wide = () if place.wide is None else self._bucket(Kind.NETWORK, place.wide)
        return (*self._bucket(Kind.ADDRESS, place.near), *wide)

    def _bucket(self, kind: Kind, *parts: str) -> tuple[tuple[Kind, Slot], ...]:
        return () if self._rules.of_kind(kind).is_off else (self.slots.bucket(kind, *parts),)


def _near(address: str | None) -> str:
    place = place_of(address)
    return "" if place is None else place.near
