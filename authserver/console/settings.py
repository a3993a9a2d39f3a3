"""Settings in force on this node, with their sources; secrets are masked. They are changed where they come from."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from flask import request

from authserver.administration.context import Administration
from authserver.console.section import Section
from authserver.pages.pages import Page, render
from authserver.settings.report import describe

SECTION: Final = Section("Settings", "settings", reads="authserver:settings:read")


@SECTION.get()
def index(admin: Administration) -> Page:
    only_changed = request.args.get("changed") == "1"
    rows = [row for row in describe(admin.settings) if not only_changed or row[2] != "default"]
    groups = [(name, list(found)) for name, found in groupby(rows, key=lambda row: _group(row[0]))]
    return render("console/settings.html", groups=groups, only_changed=only_changed)


def _group(name: str) -> str:
    return name.partition(".")[0] if "." in name else "general"
