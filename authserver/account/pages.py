"""The pages at /account/."""

from __future__ import annotations

from flask import Blueprint

from authserver.account.use_cases import Account
from authserver.browser.pages import Area, Page, Pages, current_visit, render

AREA = Area("Your account", "account.overview", lambda _visit: True)


def blueprint(pages: Pages, account: Account) -> Blueprint:
    """Every page here is about the visitor."""
    part = Blueprint("account", __name__, url_prefix="/account", template_folder="templates")
    pages.protect(part, AREA)

    @part.get("/", strict_slashes=False)
    def overview() -> Page:
        return render("account/overview.html", sessions=account.sessions(current_visit().user_id))

    return part
