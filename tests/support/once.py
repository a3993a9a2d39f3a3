"""Compiles once in a process what every app, so every test, has again: routes, templates and SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

_BUILDERS: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}
_STATEMENTS: LRUCache[Any, Any] = LRUCache(2000)


class RouteOnce(Rule):
    """A route whose function that builds addresses is shared by all routes of the same form."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:  # noqa: FBT001, FBT002
        form = (self.rule, tuple(self._trace), repr(self.defaults), append_unknown)
        if form not in _BUILDERS:
            _BUILDERS[form] = super()._compile_builder(append_unknown)
        return _BUILDERS[form]


class TemplatesOnce(BytecodeCache):
    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key] = bucket.bytecode_to_string()


def compile_once() -> None:
    """Share routes and statements among the apps and engines of this process. Dialects of one class count as the same one."""
    Flask.url_rule_class = RouteOnce
    Engine._compiled_cache = property(lambda _: _STATEMENTS, lambda *_: None)  # type: ignore[assignment]
    DefaultDialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]
    DefaultDialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
