"""/account/password/<secret>: where a user sets a password with a link. Looking at it uses nothing up."""

from __future__ import annotations

from flask import Blueprint, Response, request

from authserver.account.use_cases import Account, LinkGone, PasswordRefused
from authserver.pages.pages import Page, Pages, caller, flash, render, see_other


def blueprint(pages: Pages, account: Account) -> Blueprint:
    """Whoever has the link need not be signed in, and cannot be: the password is what is missing."""
    part = Blueprint("password_link", __name__, url_prefix="/account/password", template_folder="templates")
    pages.open(part)

    @part.after_request
    def keep_address(response: Response) -> Response:
        """The address is a secret: not even our own style sheets, and the pages after it, are told of it."""
        response.headers["Referrer-Policy"] = "strict-origin"
        return response

    @part.get("/<secret>")
    def show(secret: str) -> Page:
        return _form(account, secret, None)

    @part.post("/<secret>")
    def use(secret: str) -> Page:
        new = request.form.get("new_password", "")
        if new != request.form.get("repeated_password", ""):
            return _form(account, secret, "The password and its repetition are not the same.")
        try:
            account.use_link(secret, new, caller())
        except LinkGone:
            return _gone(account)
        except PasswordRefused as problem:
            return _form(account, secret, f"{str(problem)[:1].upper()}{str(problem)[1:]}.")
        response = see_other("visit.sign_in")
        # Whoever is signed in here, it need not be the user of the link: the next page is for that one.
        if (other := pages.find_visit()) is not None:
            pages.visits.end(other.id, other.user_id, caller())
        pages.visit_cookie.clear(response)
        flash("Your password is set. Sign in with it.")
        return response

    @part.errorhandler(LinkGone)
    def gone(_error: LinkGone) -> Response:
        return _gone(account)

    return part


def _form(account: Account, secret: str, problem: str | None) -> Response:
    """Raises `LinkGone`."""
    user = account.link(secret)
    status = 200 if problem is None else 422
    limits = account.settings.passwords
    return render("account/link.html", status, username=user.username, secret=secret, problem=problem, limits=limits)


def _gone(account: Account) -> Response:
    return render("account/link_gone.html", 410, lifetime=account.settings.pages.link_lifetime)
