"""/account/sign-in, /account/sign-out and /account/confirm: opens, ends and confirms visits, for all areas."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Response, g, request

from authserver.pages import resending
from authserver.pages.confirmation import FIELD, WRONG, confirm_visit
from authserver.pages.pages import Page, Pages, StaleForm, caller, flash, render, see_other, to
from authserver.pages.waiting import asked_to_wait
from authserver.passwords.hasher import HashingOverloaded
from authserver.refusals.exceptions import Refused
from authserver.throttling.throttle import Throttled
from authserver.users.model import Proof

_WRONG = "The user name or password is wrong."


def sign_in_blueprint(pages: Pages) -> Blueprint:
    """The sign-in form. It needs no visit and opens one."""
    part = Blueprint("visit", __name__, url_prefix=f"{pages.base}/account", template_folder="templates")
    pages.open(part)

    @part.errorhandler(StaleForm)
    def stale(_stale: StaleForm) -> Page:
        """Show the form again, with a new token."""
        return _form(pages, "This page was out of date. Please type your password once more.", 403)

    @part.get("/sign-in")
    def sign_in() -> Page:
        g.visit = pages.find_visit()
        return _form(pages) if g.visit is None else to(_wanted(pages))

    @part.post("/sign-in")
    def sign_in_now() -> Page:
        login, password = request.form.get("login", ""), request.form.get("password", "")
        try:
            with pages.passwords.admitted():
                proof = pages.passwords.sign_in(
                    login,
                    password,
                    caller(),
                    address=caller().address,
                    device=pages.browser.device(),
                    code=request.form.get("code", ""),
                )
                return _open(pages, proof)
        except (HashingOverloaded, Throttled) as later:
            return asked_to_wait(partial(_form, pages, asks_code=isinstance(later, Throttled)), later)
        except Refused:
            return _form(pages, _WRONG, 403)

    return part


def _wanted(pages: Pages) -> str:
    return pages.local(request.values.get("next"), pages.home)


def _form(pages: Pages, problem: str | None = None, status: int = 200, *, asks_code: bool = False) -> Response:
    """The form, with what was typed. It goes on carrying a form that came too late.

    The field for a sign-in code stays once it was shown: the same for every name, whether there is such a user or not.
    """
    login, late = request.form.get("login", ""), resending.read(pages.is_local)
    return render(
        "pages/sign_in.html",
        status,
        wanted=_wanted(pages),
        login=login,
        problem=problem,
        resend=late,
        asks_code=asks_code or "code" in request.form,
    )


def _confirm(wanted: str, problem: str) -> Response:
    return render("pages/confirm.html", 403, action="", carried=[("next", wanted)], problem=problem)


def _open(pages: Pages, proof: Proof) -> Response:
    """Open a visit in place of the browser's present one, and lead to the wanted page, or show a form that came too late."""
    previous = pages.find_visit()
    try:
        # Always a new value: a cookie that an attacker planted before the sign-in is worth nothing after it.
        value = pages.visits.open(proof, caller())
    except Refused as refusal:
        pages.passwords.record(refusal, proof.user_id, caller(), None)
        return _form(pages, _WRONG, 403)
    if previous is not None:
        pages.visits.end(previous.id, previous.user_id, caller())
    late = resending.read(pages.is_local)
    if late is None:
        response = to(_wanted(pages))
    else:
        g.visit = pages.visits.find(value, caller())
        response = pages.show_again(late, 200)
    pages.visit_cookie.write(response, value)
    pages.browser.remember(response, proof.user_id, proof.password_version)
    return response


def visit_blueprint(pages: Pages) -> Blueprint:
    """The pages that every visit may use."""
    part = Blueprint("own_visit", __name__, url_prefix=f"{pages.base}/account")
    pages.protect(part)

    @part.post("/sign-out")
    def sign_out() -> Page:
        pages.visits.end(g.visit.id, g.visit.user_id, caller())
        g.visit = None
        flash("You are signed out.")
        response = see_other("visit.sign_in")
        pages.visit_cookie.clear(response)
        return response

    @part.post("/confirm")
    def confirm() -> Page:
        """Check the password that a page asked for, and go to that page."""
        wanted = _wanted(pages)
        try:
            if not confirm_visit(request.form.get(FIELD, "")):
                return _confirm(wanted, WRONG)
        except Throttled as throttled:
            return asked_to_wait(partial(_confirm, wanted), throttled)
        return to(wanted)

    return part
