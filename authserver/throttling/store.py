"""The statements of throttling. One upsert charges all buckets of an attempt. The caller commits, or rolls back.

Its WHERE is evaluated on the locked row, so of any number of parallel attempts only as many pass as the rule allows. Rows
are locked in the order in which they are inserted, which is sorted, so two attempts never wait for each other.

All decisions are whole numbers of the database's clock. The statements are short, because psycopg parses one of more than
4,096 characters anew each time, which took 2 ms of a sign-in: constants are written out, the time is the one that the
upsert proposes, and powers of two are shifts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Executable,
    Integer,
    Select,
    SmallInteger,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from authserver.database.batches import Batches
from authserver.database.sql import greatest, least, now_ms
from authserver.database.tables import all_rows, one_row
from authserver.throttling.model import BucketRecord, StrangersRecord
from authserver.throttling.policy import CLEARED, DAY, SHORTEST, Bucket, Kind, Rule, Rules, Strangers
from authserver.throttling.slots import Slot

_B = BucketRecord
_S = StrangersRecord
Expression = ColumnElement[Any]
Row = Select[*tuple[Any, ...]]
Buckets = Sequence[tuple[Kind, Slot]]


def charge(connection: Connection, rules: Rules, buckets: Buckets) -> dict[Kind, Bucket]:
    """Charge each bucket once, unless its delay goes on. Returns those that were charged. `buckets` is sorted."""
    kinds = tuple(kind for kind, _ in buckets)
    statement = _charge(connection.dialect.name, rules, kinds)
    rows = connection.execute(statement, _slots(buckets)).all()
    return {Kind(row.kind): Bucket(row.empty_at, row.charged_at) for row in rows}


def refund(connection: Connection, rules: Rules, buckets: Buckets, *, clear: bool) -> None:
    """Take one charge back from each bucket. With `clear` those of the account at its origin become empty."""
    kinds = tuple(kind for kind, _ in buckets)
    connection.execute(_refund(connection.dialect.name, rules, kinds, clear=clear), _slots(buckets))


def charge_strangers(connection: Connection, rules: Rules, slot: Slot, *, first: bool, known: bool) -> bool:
    """Charge the strangers at an account. Returns False if their delay goes on.

    `first` says that the attempt is among the first of its place: then the delay counts only from `Rules.first` on, or if
    there were too many failures in a row. For an attempt from a `known` origin it never counts, and the row keeps its values.
    """
    values = {"slot": slot.number, "check": slot.check, "first": first, "known": known}
    return connection.execute(_charge_strangers(connection.dialect.name, rules), values).one_or_none() is not None


def refund_strangers(connection: Connection, rules: Rules, slot: Slot, *, known: bool, end: bool) -> None:
    """Take one charge back, unless the origin was `known`. With `end` the failures in a row begin anew."""
    back = 0 if known else 1
    left = greatest(_S.failures - back, literal(0))
    values = {
        "empty_at": _S.empty_at - back * rules.account.period,
        "failures": case((_S.key_check == slot.check, 0), else_=left) if end else left,
    }
    connection.execute(update(_S).where(_S.slot == slot.number).values(**values))


def read(connection: Connection, buckets: Buckets) -> tuple[int, dict[Kind, Bucket]]:
    """The database's time, 0 without rows, and the buckets that have a row."""
    which = tuple_(_B.kind, _B.slot).in_([(int(kind), slot.number) for kind, slot in buckets])
    statement = select(_B.kind, _B.empty_at, _B.charged_at, now_ms().label("now")).where(which)
    rows = all_rows(connection, _B, statement)
    return max((row.now for row in rows), default=0), {
        Kind(row.kind): Bucket(row.empty_at, row.charged_at) for row in rows
    }


def read_strangers(connection: Connection, slot: Slot) -> tuple[int, Strangers | None]:
    """The database's time, 0 without a row, and what the strangers at an account have tried."""
    columns = (_S.empty_at, _S.charged_at, _S.failures, _S.halved_at, now_ms().label("now"))
    row = one_row(connection, _S, select(*columns).where(_S.slot == slot.number))
    if row is None:
        return 0, None
    return row.now, Strangers(Bucket(row.empty_at, row.charged_at), row.failures, row.halved_at)


def prune(batches: Batches, *, kind: Kind, slots: range) -> int:
    """Delete a batch of the empty buckets among these slots. Returns how many. Attempts never wait for it."""
    of_kind = and_(_B.kind == int(kind), _B.slot.between(slots.start, slots.stop - 1))
    return batches.delete(_B.slot, _B.empty_at <= now_ms(), among=of_kind)


def prune_strangers(batches: Batches, *, slots: range) -> int:
    """Delete a batch of the rows of accounts at which strangers' attempts are forgotten. Returns how many."""
    forgotten = and_(_S.empty_at <= now_ms(), in_a_row(now_ms()) == 0)
    return batches.delete(_S.slot, forgotten, among=_S.slot.between(slots.start, slots.stop - 1))


def in_a_row(now: Expression) -> Expression:
    """The failures of strangers in a row at an account, halved for each whole day."""
    return _S.failures.bitwise_rshift(cast(least(_days(now), _number(31)), Integer))


def _slots(buckets: Buckets) -> Mapping[str, int]:
    return {f"{part}_{kind.name}": value for kind, slot in buckets for part, value in slot._asdict().items()}


def _number(value: int) -> Expression:
    return literal_column(str(value), BigInteger)


def _upsert(dialect: str) -> Any:
    return (sqlite if dialect == "sqlite" else postgresql).insert


def _upsert_of(dialect: str, rows: Sequence[Row]) -> Any:
    """An upsert of buckets in the order of the rows. SQLAlchemy would compile an insert of several values each time."""
    columns = ["kind", "slot", "key_check", "empty_at", "charged_at"]
    return _upsert(dialect)(_B).from_select(columns, union_all(*rows) if len(rows) > 1 else rows[0])


def _row(kind: Kind, empty_at: Expression, charged_at: Expression) -> Row:
    slot = bindparam(f"number_{kind.name}", type_=Integer()), bindparam(f"check_{kind.name}", type_=BigInteger())
    row = select(literal(int(kind), SmallInteger), *slot, empty_at, charged_at)
    return row.where(true())  # SQLite: or ON CONFLICT would be that of a join


@lru_cache
def _charge(dialect: str, rules: Rules, kinds: tuple[Kind, ...]) -> Executable:
    of_kind = {kind: rules.of_kind(kind) for kind in kinds}
    rows = [_row(kind, now_ms() + _number(rule.period), now_ms()) for kind, rule in of_kind.items()]
    statement = _upsert_of(dialect, rows)
    now = statement.excluded.charged_at
    passes = or_(*((_B.kind == int(kind)) & _passes(_B, rule, now) for kind, rule in of_kind.items()))
    filled = case(*((_B.kind == int(kind), _filled(_B, rule, now)) for kind, rule in of_kind.items()))
    statement = statement.on_conflict_do_update(
        index_elements=[_B.kind, _B.slot],
        set_={
            "key_check": _key_check(_B, statement, is_empty=_B.empty_at <= now),
            "empty_at": filled,
            "charged_at": _charged_at(_B, rules.place.longest, now),
        },
        where=passes,
    )
    returning: Executable = statement.returning(_B.kind, _B.empty_at, _B.charged_at)
    return returning


@lru_cache
def _refund(dialect: str, rules: Rules, kinds: tuple[Kind, ...], *, clear: bool) -> Executable:
    # An upsert again, because an UPDATE locks its rows in any order, and might wait for an attempt that waits for it.
    # A row that is gone comes back empty, and is pruned again.
    rows = [_row(kind, _number(0), _number(0)) for kind in kinds]
    statement = _upsert_of(dialect, rows)
    is_cleared = _B.kind.in_([int(kind) for kind in CLEARED if clear]) & (_B.key_check == statement.excluded.key_check)
    back = ((_B.kind == int(kind), _B.empty_at - _number(rules.of_kind(kind).period)) for kind in kinds)
    left = case((is_cleared, _number(0)), *back)
    updated: Executable = statement.on_conflict_do_update(index_elements=[_B.kind, _B.slot], set_={"empty_at": left})
    return updated


@lru_cache
def _charge_strangers(dialect: str, rules: Rules) -> Executable:
    longest = rules.account.longest
    known = bindparam("known", type_=Boolean())
    row = {
        "slot": bindparam("slot"),
        "key_check": bindparam("check", type_=BigInteger()),
        "empty_at": now_ms() + case((known, _number(0)), else_=_number(rules.account.period)),
        "charged_at": now_ms(),
        "failures": case((known, 0), else_=1),
        "halved_at": now_ms(),
    }
    statement = _upsert(dialect)(_S).values(row)
    now = statement.excluded.charged_at
    failures = in_a_row(now)
    passes = case(
        (failures >= rules.in_a_row, or_(now >= _S.charged_at + _number(longest), _is_ahead(_S, longest, now))),
        else_=or_(
            bindparam("first", type_=Boolean()) & _has_room(_S, rules.first, now), _passes(_S, rules.account, now)
        ),
    )
    charged = {
        "key_check": _key_check(_S, statement, is_empty=and_(_S.empty_at <= now, failures == 0)),
        "empty_at": _filled(_S, rules.account, now),
        "charged_at": _charged_at(_S, longest, now),
        "failures": failures + 1,
        "halved_at": _S.halved_at + _days(now) * _number(DAY),
    }
    statement = statement.on_conflict_do_update(
        index_elements=[_S.slot],
        set_={name: case((known, getattr(_S, name)), else_=value) for name, value in charged.items()},
        where=or_(known, passes),
    )
    returning: Executable = statement.returning(_S.slot)
    return returning


_Table = type[BucketRecord] | type[StrangersRecord]


def _passes(table: _Table, rule: Rule, now: Expression) -> Expression:
    """`Bucket.free_at` has come, on the row that the upsert has locked."""
    level = (table.empty_at - table.charged_at + _number(rule.period - 1)) // _number(rule.period)
    over = level - _number(rule.free)
    doublings = cast(greatest(least(over, _number(30)), _number(0)), Integer)
    delay = least(cast(_number(SHORTEST), BigInteger).bitwise_lshift(doublings), _number(rule.longest))
    return or_(over < 0, now >= table.charged_at + delay, _is_ahead(table, rule.longest, now))


def _has_room(table: _Table, rule: Rule, now: Expression) -> Expression:
    """`Bucket.has_room`, on the row that the upsert has locked."""
    return table.empty_at - now <= _number((rule.free - 1) * rule.period)


def _key_check(table: _Table, statement: Any, *, is_empty: Expression) -> Expression:
    """Whose row it is from this charge on: of the key that finds it empty, or that finds no check in it."""
    proposed = statement.excluded.key_check
    return case((is_empty, proposed), else_=func.coalesce(table.key_check, proposed))


def _filled(table: _Table, rule: Rule, now: Expression) -> Expression:
    filled = greatest(table.empty_at, now) + _number(rule.period)
    return least(filled, now + _number(rule.fullest))


def _charged_at(table: _Table, longest: int, now: Expression) -> Expression:
    # A statement that has waited for the row is older than the charge that it waited for.
    return case((_is_ahead(table, longest, now), now), else_=greatest(table.charged_at, now))


def _is_ahead(table: _Table, longest: int, now: Expression) -> Expression:
    """The clock was set back: a delay that no rule gives counts no more, because an account is never shut."""
    return table.charged_at > now + _number(longest)


def _days(now: Expression) -> Expression:
    """The whole days since the failures were halved last."""
    return greatest(now - _S.halved_at, _number(0)) // _number(DAY)
