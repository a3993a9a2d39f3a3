"""Overview: what happened lately, keys and their next rotation, what needs attention, and what to do first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import request

from authserver.administration import activity, apis, audit, clients, doctor, keys, users
from authserver.administration.activity import SPANS, Report, total
from authserver.administration.context import Administration
from authserver.administration.doctor.finding import Finding, Severity
from authserver.apis.registration import BUILT_IN
from authserver.console.keys import due
from authserver.console.section import Section
from authserver.keys.model import Kind, State
from authserver.pages.pages import Page, render
from authserver.records.audit import AuditRecord, Event, Search

SECTION: Final = Section("Overview", "overview", reads="authserver:settings:read")

_SPANS: Final = {"hour": "Last hour", "day": "Last day", "week": "Last week", "month": "Last 30 days"}
_MOST_REASONS: Final = 5
_MOST_FINDINGS: Final = 8
_MOST_EVENTS: Final = 5
#: The events that an administrator should look at.
_ALARMING: Final = (
    Event.SESSION_REUSE,
    Event.KEY_LEAKED,
    Event.SESSION_FROM_THE_FUTURE,
    Event.RECOVERY_STARTED,
    Event.CLIENT_REFUSED,
)
_KEY_NAMES: Final[dict[str, str]] = {
    Kind.SIGNING: "Signs access tokens",
    Kind.TOKEN: "Refresh tokens",
    Kind.OPAQUE: "Opaque tokens",
}


@dataclass(frozen=True, slots=True)
class Chart:
    """Some series over one time axis. It is drawn from a table, which people read who cannot see the drawing."""

    name: str
    title: str
    empty: str
    series: Mapping[str, Sequence[int | None]]
    is_sample: bool = False

    @property
    def figure(self) -> int | None:
        """The sum of counts, or the latest sample. None if there is nothing to draw."""
        if self.is_sample:
            return next((figure for s in self.series.values() for figure in reversed(s) if figure is not None), None)
        return sum(figure or 0 for series in self.series.values() for figure in series) or None


@dataclass(frozen=True, slots=True)
class Step:
    """One of the first things to do."""

    text: str
    endpoint: str
    done: bool


@SECTION.get()
def index(admin: Administration) -> Page:
    span = request.args.get("span", "day")
    report = activity.read(admin, span if span in SPANS else "day")
    return render(
        "console/overview.html",
        report=report,
        charts=_charts(report),
        spans=_SPANS,
        key_names=_KEY_NAMES,
        steps=_steps(admin, report),
        **_keys(admin),
        findings=_findings(admin),
        events=_events(admin) if admin.may("authserver:audit:read") else None,
    )


def _charts(report: Report) -> list[Chart]:
    return [
        Chart("sign-ins", "Sign-ins", "No user has signed in.", {"sign-ins": report.sign_ins}),
        Chart("refreshes", "Refreshes", "No app has refreshed.", _worded(report.refreshes)),
        Chart("refusals", "Refusals by reason", "Nothing was refused.", _worded(_largest(report.refusals))),
        Chart("active", "Live sessions", "There is no count yet.", {"live sessions": report.active}, is_sample=True),
    ]


def _largest(refusals: Mapping[str, Sequence[int]]) -> dict[str, Sequence[int]]:
    """The most frequent reasons, and the sum of the others."""
    names = list(refusals)
    kept: dict[str, Sequence[int]] = {name: refusals[name] for name in names[:_MOST_REASONS]}
    if rest := {name: refusals[name] for name in names[_MOST_REASONS:]}:
        kept["other reasons"] = total(rest)
    return kept


def _worded(series: Mapping[str, Sequence[int]]) -> dict[str, Sequence[int | None]]:
    return {name.replace("_", " "): list(figures) for name, figures in series.items()}


def _steps(admin: Administration, report: Report) -> list[Step]:
    """The first steps; an empty list when all of them are done."""
    has_api = any(plan.audience not in BUILT_IN for plan in apis.find_all(admin))
    has_client = bool(clients.find_all(admin, limit=1))
    has_signed_in = any(report.sign_ins) or any(report.active)
    steps = [
        Step("Register an API with its scopes", "console.apis.index", has_api),
        Step("Register a client: the app that asks for tokens", "console.clients.kinds", has_client),
        # The reader of this page is a user already.
        Step("Add a user", "console.users.index", has_signed_in or len(users.find_all(admin, limit=2)) > 1),
        Step("Sign in with the client's code", "console.clients.index", has_signed_in),
    ]
    return [] if all(step.done for step in steps) else steps


def _keys(admin: Administration) -> dict[str, Any]:
    """The active keys, when they are replaced, and the kinds that have a next key."""
    rows = keys.find_all(admin) if admin.may("authserver:keys:read") else []
    return {
        "keys": [row for row in rows if row.state == State.ACTIVE],
        "due": due(admin, rows),
        "kinds_with_next": {row.kind for row in rows if row.state == State.NEXT},
    }


def _findings(admin: Administration) -> list[Finding]:
    """The doctor's errors and warnings. Its own page also shows notes."""
    found = [finding for finding in doctor.examine(admin) if finding.severity is not Severity.NOTE]
    return found[:_MOST_FINDINGS]


def _events(admin: Administration) -> list[AuditRecord]:
    found = [row for event in _ALARMING for row in audit.find(admin, Search(event=event.value), limit=_MOST_EVENTS)]
    return sorted(found, key=lambda row: int(row.at), reverse=True)[:_MOST_EVENTS]
