"""The settings in force, and where each came from. Secrets are masked. The doctor judges the values."""

from __future__ import annotations

from typing import Final

from authserver.admin_api.route import Document, Route
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


def read(admin: Administration) -> Settings:
    found = settings_report.describe(admin.settings)
    return Settings(items=[Setting(name=name, value=value, source=source) for name, value, source in found])


ROUTES: Final = (
    Route(
        "GET", "/settings", "authserver:settings:read", "Read the settings in force", read,
        "The settings, secrets masked",
    ),
)  # fmt: skip
