"""A section of the console: a name in the navigation, a path, and routes, each with the scope that opens it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, g

from authserver.administration.context import Administration
from authserver.pages.pages import Page

View = Callable[..., Page]


@dataclass(frozen=True, slots=True)
class Route:
    """One route: `rule` follows the section's path; `needs` is the scope that opens it."""

    rule: str
    method: str
    view: View
    needs: str


@dataclass(slots=True)
class Section:
    """Views of one kind of thing. `get` routes need the scope `reads`, `post` routes `writes`, or the scope they name.

    A view takes an `Administration` and the values of its rule, such as `def show(admin, user_id)`. Its endpoint is
    `console.<name>.<function>`. The navigation leads to the view `index`.
    """

    title: str
    name: str
    reads: str
    writes: str | None = None
    routes: list[Route] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"console.{self.name}.index"

    def get(self, rule: str = "", *, needs: str | None = None) -> Callable[[View], View]:
        """A page. It changes nothing."""
        return self._add("GET", rule, needs or self.reads)

    def post(self, rule: str = "", *, needs: str | None = None) -> Callable[[View], View]:
        """An act. `Pages.protect` has checked the form token and the origin."""
        scope = needs or self.writes
        if scope is None:
            raise ValueError(f"{self.name}: say what scope {rule} needs")
        return self._add("POST", rule, scope)

    def _add(self, method: str, rule: str, needs: str) -> Callable[[View], View]:
        def add(view: View) -> View:
            self.routes.append(Route(rule, method, view, needs))
            return view

        return add

    def blueprint(self) -> Blueprint:
        """The routes, ready to be nested in the console's blueprint."""
        part = Blueprint(self.name, __name__, url_prefix=f"/{self.name}")
        for route in self.routes:
            part.add_url_rule(
                route.rule,
                endpoint=route.view.__name__,
                view_func=_with_administration(route.view),
                methods=[route.method],
            )
        return part

    def needs(self) -> dict[str, str]:
        """The scope of each route by its endpoint."""
        return {f"console.{self.name}.{route.view.__name__}": route.needs for route in self.routes}


def _with_administration(view: View) -> View:
    @functools.wraps(view)
    def run(**values: Any) -> Page:
        admin: Administration = g.administration
        return view(admin, **values)

    return run
