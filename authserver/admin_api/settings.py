"""The settings in force, and where each came from; secrets are masked. What to think of them, the doctor says."""

from __future__ import annotations

from typing import Final

from authserver.admin_api.route import Answer, Content, Document, Route
from authserver.administration.context import Administration
from authserver.settings import report as settings_report


class Setting(Document):
    """One setting."""

    name: str
    value: str
    source: str


class Settings(Document):
    """All settings of the node that answers."""

    items: list[Setting]


def read(admin: Administration) -> Answer:
    found = settings_report.describe(admin.settings)
    return Answer(Settings(items=[Setting(name=name, value=value, source=source) for name, value, source in found]))


ROUTES: Final = (
    Route(
        method="GET", path="/settings", scope="authserver:settings:read", summary="Read the settings in force",
        handler=read, answers={200: Content(description="The settings, secrets masked", model=Settings)},
    ),
)  # fmt: skip
