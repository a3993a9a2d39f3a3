"""What the doctor finds: what deserves attention, why, and the command that mends it."""

from __future__ import annotations

from typing import Final

from authserver.admin_api.route import Answer, Content, Document, Route
from authserver.administration.context import Administration
from authserver.administration.doctor import examine


class Finding(Document):
    """One thing that deserves attention. `check` never changes its meaning; `command` is null where time mends it."""

    check: str
    severity: str
    about: str
    subject: str
    reason: str
    command: str | None


class Findings(Document):
    """All that is found, gravest first; nothing is good news."""

    items: list[Finding]


def read(admin: Administration) -> Answer:
    items = [
        Finding(
            check=found.check,
            severity=found.severity.value,
            about=found.about.value,
            subject=found.subject,
            reason=found.reason,
            command=found.command,
        )
        for found in examine(admin)
    ]
    return Answer(Findings(items=items))


ROUTES: Final = (
    Route(
        method="GET", path="/doctor", scope="authserver:settings:read", summary="What deserves attention", handler=read,
        answers={200: Content(description="The findings", model=Findings)},
    ),
)  # fmt: skip
