"""The doctor: looks at settings, clients, APIs, users, keys and this node, and says what deserves attention and why.

A check is a function from a survey to findings, and an entry in `CHECKS` of its file. No check asks a running server.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from authserver.administration.context import Administration
from authserver.administration.doctor import apis, clients, counts, keys, node, settings, survey, users
from authserver.administration.doctor.finding import About, Finding, Severity
from authserver.administration.doctor.survey import Survey
from authserver.database.failures import failure_of
from authserver.database.schema import SchemaOutdated

__all__ = ["CHECKS", "About", "Finding", "Severity", "Survey", "check", "examine"]

CHECKS = (*node.CHECKS, *counts.CHECKS, *keys.CHECKS, *clients.CHECKS, *apis.CHECKS, *users.CHECKS)


def examine(admin: Administration) -> list[Finding]:
    """All findings, gravest first. An unavailable database is a finding, and leaves the checks of the settings."""
    found = settings.examine(admin.settings)
    path = admin.settings.database_url.database if admin.database.is_sqlite else None
    if path and not Path(path).exists():  # connecting would create an empty one
        return _sorted([*found, _database("missing", f"there is no database at {path} yet", "authserver db upgrade")])
    try:
        seen = survey.take(admin)
    except SchemaOutdated as problem:
        return _sorted([*found, _database("schema", str(problem), "authserver db upgrade")])
    except SQLAlchemyError as problem:
        failure = failure_of(problem)
        if failure is None:
            raise
        reason = f"it cannot be used, so only the settings were looked at: {failure.line}"
        return _sorted([*found, _database("away", reason, None)])
    return _sorted([*found, *check(seen)])


def check(seen: Survey) -> list[Finding]:
    """What every check finds in a survey."""
    return _sorted([finding for run in CHECKS for finding in run(seen)])


def _database(name: str, reason: str, command: str | None) -> Finding:
    return Finding(f"node.database-{name}", Severity.ERROR, About.NODE, "database", reason, command)


def _sorted(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (finding.severity.rank, finding.check, finding.subject))
