"""The base of the records, a column type, and functions that type rows as their records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Dialect, Executable
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import Text, TypeDecorator


class Base(DeclarativeBase):
    """Common base of all tables."""

    if TYPE_CHECKING:
        now: int  # only in rows whose statement asks for it: the database's time in milliseconds


db = SQLAlchemy(model_class=Base, disable_autonaming=True)

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model

Record = TypeVar("Record", bound=Base)
Value = TypeVar("Value")


def one_row(
    connection: Connection, _record: type[Record], statement: Executable, parameters: Mapping[str, Any] | None = None
) -> Record | None:
    """The one row of a statement that selects columns of this record, or None.

    The row is SQLAlchemy's plain one. It is typed as the record, so that the type checker knows its columns; nothing is
    loaded or tracked. A column that the statement leaves out is missing.
    """
    return cast("Record | None", connection.execute(statement, parameters).one_or_none())


def all_rows(connection: Connection, _record: type[Record], statement: Executable) -> Sequence[Record]:
    """All rows of a statement, typed as in `one_row`."""
    return cast("Sequence[Record]", connection.execute(statement).all())


def present(value: Value | None) -> Value:
    """The value of a nullable column, in a row that must have it."""
    if value is None:
        raise ValueError("a column is null in a row that must have it")
    return value


class WordSet(TypeDecorator[frozenset[str]]):
    """A set in code, space-separated words in the row, sorted: scopes, audiences, roles, grants."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: frozenset[str] | None, _dialect: Dialect) -> str | None:
        return None if value is None else " ".join(sorted(value))

    def process_result_value(self, value: str | None, _dialect: Dialect) -> frozenset[str] | None:
        return None if value is None else frozenset(value.split())
