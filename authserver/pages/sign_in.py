"""/account/sign-in, /account/sign-out and /account/confirm: opens, ends and confirms visits, for all areas."""

from __future__ import annotations

from flask import Blueprint, g, request

from authserver.pages.confirmation import FIELD, WRONG, confirm_visit
from authserver.pages.pages import Page, Pages, caller, flash, render, see_other, to
from authserver.passwords.hasher import HashingOverloaded
from authserver.refusals.exceptions import Refused


def sign_in_blueprint(pages: Pages) -> Blueprint:
    """The sign-in form. It needs no visit and opens one."""
    part = Blueprint("visit", __name__, url_prefix=f"{pages.base}/account", template_folder="templates")
    pages.open(part)

    @part.get("/sign-in")
    def sign_in() -> Page:
        g.visit = pages.find_visit()
        wanted = pages.local(request.args.get("next"), pages.home)
        if g.visit is not None:
            return to(wanted)
        return render("pages/sign_in.html", wanted=wanted, login="", problem=None)

    @part.post("/sign-in")
    def sign_in_now() -> Page:
        wanted = pages.local(request.form.get("next"), pages.home)
        login, password = request.form.get("login", ""), request.form.get("password", "")
        try:
            proof = pages.passwords.sign_in(login, password, caller())
        except HashingOverloaded as overload:
            problem = (
                "Too many people are signing in just now. Nothing is wrong with your password. Try again in a moment."
            )
            page = render("pages/sign_in.html", 503, wanted=wanted, login=login, problem=problem)
            page.headers["Retry-After"] = str(overload.retry_after)
            return page
        except Refused:
            problem = "The user name or password is wrong."
            return render("pages/sign_in.html", 403, wanted=wanted, login=login, problem=problem)
        previous = pages.find_visit()
        if previous is not None:
            pages.visits.end(previous.id, previous.user_id, caller())
        # Always a new value: a cookie that an attacker planted before the sign-in is worth nothing after it.
        value = pages.visits.open(proof, caller())
        response = to(wanted)
        pages.visit_cookie.write(response, value)
        pages.form_cookie.clear(response)
        return response

    return part


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
        wanted = pages.local(request.form.get("next"), pages.home)
        if not confirm_visit(request.form.get(FIELD, "")):
            return render("pages/confirm.html", 403, action="", carried=[("next", wanted)], problem=WRONG)
        return to(wanted)

    return part
