"""The statements of administrators. Each reads or deletes rows that it finds by their key, so no attempt waits long for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    SmallInteger,
    and_,
    delete,
    func,
    literal,
    or_,
    select,
    union_all,
)

from authserver.database.sql import now_ms
from authserver.throttling.model import BucketRecord, StrangersRecord
from authserver.throttling.policy import Bucket, Kind, Rule, Rules, Strangers
from authserver.throttling.slots import BITS, Slot
from authserver.throttling.store import in_a_row

_B = BucketRecord
_S = StrangersRecord
_NOT_A_KIND = literal(0, SmallInteger).label("kind")
#: All slots, and so few that they tell how full a table is.
ALL = 1 << BITS
_FEW = ALL >> 8


def lift(connection: Connection, kind: Kind, slot: Slot) -> tuple[int, Bucket] | None:
    """Empty one bucket. Returns the database's time and what stood there, if there was a row."""
    statement = delete(_B).where(_B.kind == int(kind), _B.slot == slot.number)
    row = connection.execute(statement.returning(_B.empty_at, _B.charged_at, now_ms())).one_or_none()
    return None if row is None else (row[2], Bucket(row[0], row[1]))


def lift_strangers(connection: Connection, slot: Slot) -> tuple[int, Strangers] | None:
    """Forget what the strangers at an account have tried, and end their failures in a row."""
    columns = (_S.empty_at, _S.charged_at, _S.failures, _S.halved_at, now_ms())
    row = connection.execute(delete(_S).where(_S.slot == slot.number).returning(*columns)).one_or_none()
    return None if row is None else (row[4], Strangers(Bucket(row[0], row[1]), row[2], row[3]))


def slots_with(connection: Connection, most: int) -> dict[Kind | None, int]:
    """For each kind, and for strangers (None), how many slots from the first on have about `most` rows, at the most.

    Slots are digests, so the first ones are a fair sample of all. One statement, which looks at a few of them.
    """
    buckets = select(_B.kind, func.count().label("rows")).where(_B.kind.in_([*map(int, Kind)]), _B.slot < _FEW)
    strangers = select(_NOT_A_KIND, func.count()).where(_S.slot < _FEW)
    found = {row.kind: row.rows for row in connection.execute(union_all(buckets.group_by(_B.kind), strangers))}
    enough = {kind: _FEW * most // max(1, found.get(kind or 0, 0)) for kind in (*Kind, None)}
    return {kind: min(ALL, max(_FEW, slots)) for kind, slots in enough.items()}


def full(
    connection: Connection, rules: Rules, slots: dict[Kind | None, int]
) -> Iterator[tuple[Kind | None, int, Bucket | Strangers]]:
    """What was charged lately and is above its limit, with the database's time. One statement, which only reads.

    A range of slots bounds its work. With a LIMIT, PostgreSQL may sort all rows.
    """
    parts = [_full_of(kind, rules.of_kind(kind), slots[kind]) for kind in Kind]
    full = or_(_is_full(_S, rules.account), and_(_S.failures >= rules.in_a_row, _is_late(_S, rules.account)))
    columns = (_NOT_A_KIND, _S.empty_at, _S.charged_at, _S.failures, _S.halved_at, now_ms())
    for row in connection.execute(union_all(*parts, select(*columns).where(_S.slot < slots[None], full))):
        bucket = Bucket(row.empty_at, row.charged_at)
        if row.kind:
            yield Kind(row.kind), row.now, bucket
        else:
            yield None, row.now, Strangers(bucket, row.failures, row.halved_at)


def at_limit(connection: Connection, rules: Rules) -> int:
    """At how many accounts strangers have met the limit of failures in a row. Reads the whole table."""
    # The first condition needs no arithmetic, and leaves next to nothing for the second.
    met = (_S.failures >= rules.in_a_row, in_a_row(now_ms()) >= rules.in_a_row)
    return connection.execute(select(func.count()).select_from(_S).where(*met)).scalar_one()


def _full_of(kind: Kind, rule: Rule, slots: int) -> Any:
    nothing = literal(0, BigInteger)
    number = literal(int(kind), SmallInteger).label("kind")
    columns = (number, _B.empty_at, _B.charged_at, nothing.label("failures"), nothing.label("halved_at"))
    which = (_B.kind == int(kind), _B.slot < slots, _is_full(_B, rule))
    return select(*columns, now_ms().label("now")).where(*which)


def _is_full(table: type[BucketRecord | StrangersRecord], rule: Rule) -> ColumnElement[bool]:
    above = table.empty_at - table.charged_at > literal((rule.free - 1) * rule.period, BigInteger)
    return and_(above, _is_late(table, rule))


def _is_late(table: type[BucketRecord | StrangersRecord], rule: Rule) -> ColumnElement[bool]:
    return table.charged_at > now_ms() - literal(rule.longest, BigInteger)
