"""The settings in force, where each came from, and what deserves a second thought; secrets are masked."""

from __future__ import annotations

from typing import Final

from authserver import settings_report
from authserver.admin.api.route import Answer, Content, Document, Route
from authserver.admin.context import Administration


class Setting(Document):
    """One setting."""

    name: str
    value: str
    source: str


class Settings(Document):
    """All settings of the node that answers."""

    items: list[Setting]
    warnings: list[str]


def read(admin: Administration) -> Answer:
    items = [Setting(name=n, value=v, source=s) for n, v, s in settings_report.describe(admin.settings)]
    return Answer(Settings(items=items, warnings=settings_report.warnings(admin.settings)))


ROUTES: Final = (
    Route(
        method="GET", path="/settings", scope="authserver:settings:read", summary="Read the settings in force",
        handler=read, answers={200: Content(description="The settings, secrets masked", model=Settings)},
    ),
)  # fmt: skip
