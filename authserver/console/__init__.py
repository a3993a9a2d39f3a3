"""The web console at /admin/: pages for administrators. They call the use cases of `administration/` and hold no rules.

One file a section. A section declares the scope that opens each of its routes (`section.py`). The guard asks for it
before the view runs. A route without a scope is closed.
"""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint

from authserver.console import (
    apis,
    audit,
    clients_edit,
    doctor,
    keys,
    overview,
    sessions,
    settings,
    throttling,
    users,
    why,
)
from authserver.console.entry import Console
from authserver.console.section import Section
from authserver.pages.pages import Page, Pages, see_other

#: In the order of the navigation. A new section is one file, and one line here.
SECTIONS: tuple[Section, ...] = (
    overview.SECTION, clients_edit.SECTION, apis.SECTION, users.SECTION, sessions.SECTION, throttling.SECTION, keys.SECTION,
    audit.SECTION, why.SECTION, doctor.SECTION, settings.SECTION,
)  # fmt: skip


def blueprint(pages: Pages, console: Console) -> Blueprint:
    """The console."""
    part = Blueprint("console", __name__, url_prefix=f"{pages.base}/admin", template_folder="templates")
    pages.assets.mount("console/", Path(__file__).parent / "static")
    pages.protect(part)
    console.guard(part, pages, SECTIONS)

    @part.get("/", strict_slashes=False)
    def start() -> Page:
        """The first page that this administrator may open."""
        return see_other(console.openable()[0].endpoint)

    for section in SECTIONS:
        part.register_blueprint(section.blueprint())
    return part
