"""The rows of throttling in a test: small rules, attempts at one account, and time that passes at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from authserver.settings.values import ThrottlingSettings
from authserver.throttling.counters import Charges
from authserver.throttling.policy import DAY, Kind, Rule, Rules
from authserver.throttling.slots import Slot
from tests.support.setup import Setup

SMALL = ThrottlingSettings(place=3, address=8, strangers=5, strangers_in_a_row=16)
#: A slow machine needs some seconds for the attempts of a test, in which no bucket may forget any.
RULES = replace(Rules.of(SMALL), address=Rule(SMALL.address, 900_000, 900_000))
FAR = 10 * DAY
ACCOUNT = Slot(0, 77)


def charges(place: int, *, stranger: bool = True) -> Charges:
    """An attempt at one account from a place with an address of its own."""
    return Charges(((Kind.ADDRESS, Slot(place, 0)), (Kind.PLACE, Slot(place, 0))), ACCOUNT, is_known=not stranger)


class Clock:
    """Moves the rows into the past instead of the clock into the future."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.ahead = 0

    def pass_(self, milliseconds: int) -> None:
        self.ahead += milliseconds
        for table, columns in (
            ("throttle_buckets", ("empty_at", "charged_at")),
            ("throttle_strangers", ("empty_at", "charged_at", "halved_at")),
        ):
            moved = ", ".join(f"{column} = {column} - :ms" for column in columns)
            self._setup.sql(f"UPDATE {table} SET {moved}", ms=milliseconds)

    def now(self) -> int:
        return self._setup.database.now() + self.ahead


def everything(setup: Setup) -> list[Any]:
    buckets = setup.sql("SELECT * FROM throttle_buckets ORDER BY kind, slot")
    return [*buckets, *setup.sql("SELECT * FROM throttle_strangers ORDER BY slot")]
