"""What tables are made of: the base of the models, column types, and the type of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Dialect, Row
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import Text, TypeDecorator


class Base(DeclarativeBase):
    """Common base of all tables."""


db = SQLAlchemy(model_class=Base, disable_autonaming=True)

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model

#: A row of whatever columns; what they are stands in the statement.
AnyRow = Row[*tuple[Any, ...]]


class WordSet(TypeDecorator[frozenset[str]]):
    """A set in code, space-separated words in the row, sorted: scopes, audiences, roles, grants."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: frozenset[str] | None, _dialect: Dialect) -> str | None:
        return None if value is None else " ".join(sorted(value))

    def process_result_value(self, value: str | None, _dialect: Dialect) -> frozenset[str] | None:
        return None if value is None else frozenset(value.split())
