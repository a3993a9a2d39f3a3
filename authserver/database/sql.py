"""SQL functions that SQLite and PostgreSQL spell differently, the clock above all."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Integer
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


@compiles(now_ms, "postgresql")
def _now_postgresql(_element: now_ms, _compiler: Any, **_kw: Any) -> str:
    # Not extract(): it is numeric since PostgreSQL 14, and several times slower in a statement that needs it often.
    return "CAST(floor(date_part('epoch', statement_timestamp()) * 1000) AS BIGINT)"


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
