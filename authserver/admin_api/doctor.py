"""What the doctor finds: what deserves attention, why, and the command that helps."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from authserver.admin_api.route import Document, Route
from authserver.administration.context import Administration
from authserver.administration.doctor import examine


class Finding(Document):
    """One thing that deserves attention. `check` never changes its meaning; `command` is null where waiting helps."""

    check: str
    severity: str
    about: str
    subject: str
    reason: str
    command: str | None


class Findings(Document):
    """All findings, the gravest first. An empty list is good news."""

    items: list[Finding]


def read(admin: Administration) -> Findings:
    return Findings(items=[Finding(**asdict(found)) for found in examine(admin)])


ROUTES: Final = (Route("GET", "/doctor", "authserver:settings:read", "What deserves attention", read, "The findings"),)
