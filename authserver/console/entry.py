"""Who may enter the console, and where in it: decided for each request by the user's roles as they are now."""

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
    """What the console works with. Built once by `create_app`."""

    def __init__(self, database: Database, settings: Settings, resources: AdminResources) -> None:
        self._database = database
        self._settings = settings
        self._resources = resources
        self._sections: Sequence[Section] = ()
        self._needs: dict[str, str] = {}

    def guard(self, part: Blueprint, pages: Pages, sections: Sequence[Section]) -> None:
        """Ask for the scope that a route declares before its view runs. Call it after `pages.protect`: that goes first."""
        self._sections = sections
        self._needs = {endpoint: scope for section in sections for endpoint, scope in section.needs().items()}
        # The area is only for the navigation: whoever lacks the authority gets a page of ours that says so.
        # Without a role there is no authority, and most users have none: their pages cost no statement for it.
        pages.areas.append(Area("Administration", _START, lambda visit: bool(visit.roles and self.authority(visit))))
        part.before_request(self._enter)
        part.register_error_handler(AdminError, refused)
        part.context_processor(lambda: {"sections": self.openable, "may": self.may})

    def authority(self, visit: Visit) -> frozenset[str]:
        """The scopes of administration that the visitor has at this moment. One statement a request."""
        if "authority" not in g:
            with self._database.autocommit() as connection:
                g.authority = opened_by(apis.read(connection), visit.roles)
        found: frozenset[str] = g.authority
        return found

    def may(self, scope: str) -> bool:
        """Whether the visitor has a scope; for what a page offers, not for what it allows."""
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
        # A route that declares nothing is closed, and found by the tests. The first page leads to what is open.
        if (needed is not None and needed not in authority) or not self.openable():
            return render("console/refused.html", 403, heading="You may not open this", problems=[], needed=needed)
        g.administration = Administration(
            self._database, self._settings, visit.actor, authority=authority, caller=caller(), resources=self._resources
        )
        return None


def refused(error: AdminError) -> Response:
    """The page of a use case's refusal, where its view has nothing better to show."""
    status, heading = next(
        (answer for kind, answer in _STATUSES.items() if isinstance(error, kind)), (400, "That did not work")
    )
    return render("console/refused.html", status, heading=heading, problems=sentences(error.problems), needed=None)


def sentences(problems: Iterable[Problem]) -> list[str]:
    """Problems as people read them, without what only the command line can do."""
    return [sentence(problem.line) for problem in problems]
