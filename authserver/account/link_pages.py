"""/account/password/<secret>: a user sets a password with a link. To open the page does not use the link up."""

from __future__ import annotations

from flask import Blueprint, Response, request

from authserver.account.use_cases import Account, LinkGone, PasswordRefused
from authserver.pages.pages import Page, Pages, caller, flash, render, see_other
from authserver.pages.texts import sentence


def blueprint(pages: Pages, account: Account) -> Blueprint:
    """The pages of a link. They need no visit, because the user has no password to sign in with."""
    part = Blueprint(
        "password_link", __name__, url_prefix=f"{pages.base}/account/password", template_folder="templates"
    )
    pages.open(part)

    @part.after_request
    def keep_address(response: Response) -> Response:
        """Keep the address out of every Referer header, because it is a secret."""
        response.headers["Referrer-Policy"] = "strict-origin"
        return response

    @part.get("/<secret>")
    def show(secret: str) -> Page:
        return _form(account, secret)

    @part.post("/<secret>")
    def use(secret: str) -> Page:
        new = request.form.get("new_password", "")
        if new != request.form.get("repeated_password", ""):
            return _form(account, secret, repeated_password="The password and its repetition are not the same.")
        try:
            user_id, version = account.use_link(secret, new, caller())
        except PasswordRefused as problem:
            return _form(account, secret, new_password=f"{sentence(str(problem))}.")
        response = see_other("visit.sign_in")
        # Another user may be signed in with this browser. The next page is for the user of the link.
        if (other := pages.find_visit()) is not None:
            pages.visits.end(other.id, other.user_id, caller())
        pages.visit_cookie.clear(response)
        pages.browser.remember(response, user_id, version)
        flash("Your password is set. Sign in with it.")
        return response

    @part.errorhandler(LinkGone)
    def gone(_error: LinkGone) -> Response:
        return render("account/link_gone.html", 410, lifetime=account.settings.pages.link_lifetime)

    return part


def _form(account: Account, secret: str, **errors: str) -> Response:
    """The form, with each error beside its field. Raises `LinkGone`."""
    user = account.link(secret, caller())
    status = 422 if errors else 200
    limits = account.settings.passwords
    return render("account/link.html", status, username=user.username, secret=secret, errors=errors, limits=limits)
