"""Compiles each route once in a process: every test has its own app, with the same routes."""

from __future__ import annotations

from collections.abc import Callable

from werkzeug.routing import Rule

_BUILDERS: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}


class RouteOnce(Rule):
    """A route whose function that builds addresses is shared by all routes of the same form."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:  # noqa: FBT001, FBT002
        form = (self.rule, tuple(self._trace), repr(self.defaults), append_unknown)
        if form not in _BUILDERS:
            _BUILDERS[form] = super()._compile_builder(append_unknown)
        return _BUILDERS[form]
