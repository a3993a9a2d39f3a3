"""SQL functions that SQLite and PostgreSQL spell differently, the clock above all."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Integer, Select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class now_ms(FunctionElement[int]):  # noqa: N801 - reads as the SQL function that it is
    """The database's clock in milliseconds since the epoch, one value for the whole statement.

    If the clock moved within a statement (`clock_timestamp()`), one CASE could find the retry window open and the next
    find it over, and a session's row would contradict itself. Inside a transaction each statement has its own time.
    """

    type = BigInteger()
    inherit_cache = True


class greatest(FunctionElement[int]):  # noqa: N801
    """The larger of two integers; SQLite spells it `max`."""

    type = BigInteger()
    inherit_cache = True


class least(FunctionElement[int]):  # noqa: N801
    """The smaller of two integers; SQLite spells it `min`."""

    type = BigInteger()
    inherit_cache = True


class position(FunctionElement[int]):  # noqa: N801
    """Where the second text begins in the first, from 1; 0 when it does not. SQLite spells it `instr`."""

    type = Integer()
    inherit_cache = True


class in_batch(FunctionElement[bool]):  # noqa: N801
    """Whether a column is among the few that a statement selects and perhaps locks: `WHERE in_batch(id, some)`.

    With `id IN (SELECT … LIMIT n FOR UPDATE SKIP LOCKED)` PostgreSQL may run the inner statement again for each row of
    the outer one, and take more than n rows; or read the whole table to join it. An array is made once, and its values
    are looked up in the index.
    """

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: Any, some: Select[Any]) -> None:
        # Do not correlate: the inner statement reads the same table as the outer one.
        super().__init__(column, some.correlate(None).scalar_subquery())

    def self_group(self, against: Any = None) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Stay as it is: SQLAlchemy would compare it with 1 on SQLite, which then reads the whole table."""
        return self


@compiles(now_ms, "postgresql")
def _now_postgresql(_element: now_ms, _compiler: Any, **_kw: Any) -> str:
    # Not extract(): it is numeric since PostgreSQL 14, and several times slower in a statement that needs it often.
    # Short, because psycopg parses a statement of more than 4,096 characters anew each time: 0.08 ms a refresh.
    return "(floor(date_part('epoch',statement_timestamp())*1000)::BIGINT)"


@compiles(now_ms, "sqlite")
def _now_sqlite(_element: now_ms, _compiler: Any, **_kw: Any) -> str:
    return "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"


@compiles(greatest)
def _greatest(element: greatest, compiler: Any, **kw: Any) -> str:
    return f"{'max' if compiler.dialect.name == 'sqlite' else 'greatest'}({compiler.process(element.clauses, **kw)})"


@compiles(least)
def _least(element: least, compiler: Any, **kw: Any) -> str:
    return f"{'min' if compiler.dialect.name == 'sqlite' else 'least'}({compiler.process(element.clauses, **kw)})"


@compiles(position)
def _position(element: position, compiler: Any, **kw: Any) -> str:
    return f"{'instr' if compiler.dialect.name == 'sqlite' else 'strpos'}({compiler.process(element.clauses, **kw)})"


@compiles(in_batch)
def _in_batch(element: in_batch, compiler: Any, **kw: Any) -> str:
    column, some = (compiler.process(part, **kw) for part in element.clauses)
    return f"{column} IN {some}" if compiler.dialect.name == "sqlite" else f"{column} = ANY (ARRAY{some})"
