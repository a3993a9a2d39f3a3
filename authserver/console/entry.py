"""Decides by the user's present roles, at each request, which pages of the console are open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flask import Blueprint, Response, g, request

from authserver.administration.authority import opened_by
from authserver.administration.context import Administration, AdminResources
from authserver.administration.errors import AdminError, Conflict, Forbidden, Invalid, NotFound, Stale
from authserver.apis import store as apis
from authserver.console.section import Section
from authserver.database.engine import Database
from authserver.pages.pages import Area, Pages, caller, current_visit, render
from authserver.pages.texts import sentence
from authserver.pages.visits import Visit
from authserver.refusals.problems import Problem
from authserver.settings.model import Settings

_START = "console.start"
_STATUSES: dict[type[AdminError], tuple[int, str]] = {
    NotFound: (404, "That is not there"),
    Conflict: (409, "That cannot be done now"),
    Stale: (412, "Somebody else changed this meanwhile"),
    Forbidden: (403, "That is beyond your own authority"),
    Invalid: (422, "That is not valid"),
}


class Console:
    """The services of the console, and the guard of its routes. Built once by `create_app`."""

    def __init__(self, database: Database, settings: Settings, resources: AdminResources) -> None:
        self._database = database
        self._settings = settings
        self._resources = resources
        self._sections: Sequence[Section] = ()
        self._needs: dict[str, str] = {}

    def guard(self, part: Blueprint, pages: Pages, sections: Sequence[Section]) -> None:
        """Ask for a route's declared scope before its view runs. Call it after `pages.protect`: that check goes first."""
        self._sections = sections
        self._needs = {endpoint: scope for section in sections for endpoint, scope in section.needs().items()}
        # The area only shows or hides a link: a user without authority who opens the console gets its closed page.
        # A user without a role has no authority. Most users have no role, so their pages cost no statement for this.
        pages.areas.append(Area("Administration", _START, lambda visit: bool(visit.roles and self.authority(visit))))
        part.before_request(self._enter)
        part.register_error_handler(AdminError, refused)
        part.context_processor(lambda: {"sections": self.openable, "may": self.may})

    def authority(self, visit: Visit) -> frozenset[str]:
        """The visitor's present scopes of administration. One statement a request."""
        if "authority" not in g:
            with self._database.autocommit() as connection:
                g.authority = opened_by(apis.read(connection), visit.roles)
        found: frozenset[str] = g.authority
        return found

    def may(self, scope: str) -> bool:
        """Whether the visitor has a scope. Pages hide by it what the guard would refuse."""
        return scope in self.authority(current_visit())

    def openable(self) -> list[Section]:
        """The sections that the visitor may open."""
        return [section for section in self._sections if self.may(section.reads)]

    def _enter(self) -> Response | None:
        visit = current_visit()
        authority = self.authority(visit)
        if not authority:
            return render("console/closed.html", 403)
        needed = None if request.endpoint == _START else self._needs.get(request.endpoint or "", "")
        # A route without a declared scope is closed, and the tests find it. The first page leads to an open section.
        if (needed is not None and needed not in authority) or not self.openable():
            return render("console/refused.html", 403, heading="You may not open this", problems=[], needed=needed)
        g.administration = Administration(
            self._database, self._settings, visit.actor, authority=authority, caller=caller(), resources=self._resources
        )
        return None


def refused(error: AdminError) -> Response:
    """The page of a use case's refusal, if the view does not show the refusal itself."""
    status, heading = next(
        (answer for kind, answer in _STATUSES.items() if isinstance(error, kind)), (400, "That did not work")
    )
    return render("console/refused.html", status, heading=heading, problems=sentences(error.problems), needed=None)


def sentences(problems: Iterable[Problem]) -> list[str]:
    """Problems as sentences, without the hints for the command line."""
    return [sentence(problem.line) for problem in problems]
