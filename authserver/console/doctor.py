"""Doctor: findings with their reason, the command that mends them, and a link to their subject."""

from __future__ import annotations

from typing import Final

from flask import url_for

from authserver.administration import doctor
from authserver.administration.context import Administration
from authserver.administration.doctor import About, Finding, Severity
from authserver.console.section import Section
from authserver.pages.pages import Page, render

SECTION: Final = Section("Doctor", "doctor", reads="authserver:settings:read")


@SECTION.get()
def index(admin: Administration) -> Page:
    found = [(one, link_of(one)) for one in doctor.examine(admin)]
    numbers = {severity.value: sum(one.severity is severity for one, _ in found) for severity in Severity}
    return render("console/doctor.html", found=found, numbers=numbers)


def link_of(one: Finding) -> str | None:
    """The page of a finding's subject; None if it has no page."""
    match one.about:
        case About.CLIENT:
            return url_for("console.clients.show", client=one.subject)
        case About.API:
            return url_for("console.apis.show", audience=one.subject)
        case About.SCOPE:
            return url_for("console.apis.index")
        case About.USERS:
            return url_for("console.users.index")
        case About.KEY:
            return url_for("console.keys.index")
        case About.SETTING:
            return url_for("console.settings.index")
        case About.NODE:
            return None
