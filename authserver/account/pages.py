"""The pages at /account/: the visitor's own sessions, password, events and data."""

from __future__ import annotations

import json
from uuid import UUID

from flask import Blueprint, Response, abort, request

from authserver.account import export, words
from authserver.account.use_cases import MOST_EVENTS, MOST_SESSIONS, Account, PasswordRefused
from authserver.apis.administration import SCOPES
from authserver.apis.model import Catalogue
from authserver.apis.store import CatalogueCache
from authserver.pages.pages import Area, Page, Pages, caller, current_visit, flash, render, see_other
from authserver.pages.texts import counted, sentence
from authserver.pages.waiting import asked_to_wait
from authserver.refusals.exceptions import Refused
from authserver.throttling.throttle import Throttled

AREA = Area("Your account", "account.overview", lambda _visit: True)


def blueprint(pages: Pages, account: Account, catalogue: CatalogueCache) -> Blueprint:
    """The pages of the visitor's own account. No address names a user."""
    part = Blueprint("account", __name__, url_prefix=f"{pages.base}/account", template_folder="templates")
    pages.protect(part)
    pages.areas.append(AREA)
    _add_sessions(part, pages, account, catalogue)
    _add_password(part, pages, account)
    _add_sign_in_code(part, account)
    _add_events_and_data(part, pages, account)
    return part


def _add_sessions(part: Blueprint, pages: Pages, account: Account, catalogue: CatalogueCache) -> None:
    @part.get("/", strict_slashes=False)
    def overview() -> Page:
        visit = current_visit()
        sessions = account.sessions(visit.user_id)
        return render(
            "account/overview.html",
            sessions=sessions,
            clients=account.client_names(sessions),
            visits=pages.visits.of_user(visit.user_id),
            scopes_of=lambda row: scopes_in_words(row.scopes, visit.roles, catalogue.current()),
            most=MOST_SESSIONS,
        )

    @part.post("/sessions/<uuid:session_id>/end")
    def end_session(session_id: UUID) -> Page:
        if account.end_session(current_visit(), session_id, caller()):
            flash("Ended the session. The app asks for your password when it is next used.")
        else:
            flash("That session had ended before.", "problem")
        return see_other("account.overview")

    @part.post("/sessions/end-others")
    def end_others() -> Page:
        ended, closed = account.end_all_others(current_visit(), caller())
        flash(f"Ended {counted(ended, 'session')}, and signed {counted(closed, 'other browser')} out of these pages.")
        return see_other("account.overview")

    @part.post("/visits/<uuid:visit_id>/end")
    def end_visit(visit_id: UUID) -> Page:
        visit = current_visit()
        if visit_id == visit.id:
            abort(400, "That is the browser you are using. Sign out instead.")
        pages.visits.end(visit_id, visit.user_id, caller())
        flash("Signed that browser out of these pages.")
        return see_other("account.overview")


def _add_password(part: Blueprint, pages: Pages, account: Account) -> None:
    @part.get("/password")
    def password() -> Page:
        return _password_page(account)

    @part.post("/password")
    def change_password() -> Page:
        form = request.form
        if form.get("new_password", "") != form.get("repeated_password", ""):
            return _password_page(account, repeated_password="The new password and its repetition are not the same.")
        try:
            cookie, version, ended = account.change_password(
                current_visit(), form.get("old_password", ""), form.get("new_password", ""), caller()
            )
        except Refused:
            return _password_page(account, old_password="Your present password is not right.")
        except PasswordRefused as problem:
            return _password_page(account, new_password=f"{sentence(str(problem))}.")
        except Throttled as throttled:
            return asked_to_wait(lambda said: _password_page(account, old_password=said), throttled)
        flash(f"Changed your password. Ended {counted(ended, 'session')}: apps ask for the new one.")
        response = see_other("account.overview")
        pages.visit_cookie.write(response, cookie)
        pages.browser.remember(response, current_visit().user_id, version)
        return response


def _add_sign_in_code(part: Blueprint, account: Account) -> None:
    @part.get("/new-device")
    def new_device() -> Page:
        return render("account/new_device.html", code=None)

    @part.post("/new-device")
    def make_code() -> Page:
        """Show the code in the answer itself: it is kept nowhere, so no later page can show it."""
        code, expires_at = account.make_sign_in_code(current_visit(), caller())
        return render("account/new_device.html", code=code, expires_at=expires_at)


def _add_events_and_data(part: Blueprint, pages: Pages, account: Account) -> None:
    @part.get("/events")
    def events() -> Page:
        told = [words.tell(row) for row in account.events(current_visit().user_id)]
        return render("account/events.html", events=told, most=MOST_EVENTS)

    @part.get("/data")
    def data() -> Page:
        return render("account/data.html")

    @part.post("/data")
    def download() -> Page:
        visit = current_visit()
        account.note_download(visit, caller())
        document = export.everything(account, pages, visit)
        response = Response(json.dumps(document, indent=2, ensure_ascii=False), content_type="application/json")
        response.headers["Content-Disposition"] = 'attachment; filename="authserver-my-data.json"'
        return response


def scopes_in_words(scopes: frozenset[str], roles: frozenset[str], catalogue: Catalogue) -> list[tuple[str, str]]:
    """The scopes that a session has now: the name of each API, and its scopes. Administration's scopes are in words."""
    present = catalogue.open_to(scopes, roles)
    lines = []
    for audience in sorted(catalogue.owners(present)):
        own = sorted(name for name in present if catalogue.scopes[name].audience == audience)
        lines.append((catalogue.apis[audience].name, "; ".join(SCOPES.get(name, name) for name in own)))
    return lines


def _password_page(account: Account, **errors: str) -> Response:
    """The form, with each error beside its field."""
    limits = account.settings.passwords
    return render("account/password.html", 422 if errors else 200, errors=errors, limits=limits)
