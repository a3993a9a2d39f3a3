"""Confirmation: a dangerous act asks for the password again, where that is too long ago, and then goes on.

Whoever finds a browser left open can look around in it, but not take anything over.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import Response, request

from authserver.pages import addresses, forms
from authserver.pages.pages import Page, caller, current_pages, current_visit, render
from authserver.refusals.exceptions import Refused

FIELD = "confirm_password"
WRONG = "The password is wrong."

P = ParamSpec("P")
R = TypeVar("R", bound=Page)


def confirmed(view: Callable[P, R]) -> Callable[P, R | Response]:
    """Run the view only after the password was typed within `pages.confirmation`; else a page asks for it first.

    For a POST that page sends the same form again, with the password in the field `confirm_password`. Fields whose
    names contain "password" are not carried, nor are files: where a form has such, decorate the page that shows it too
    (a GET goes through the same page, and comes back).
    """

    @functools.wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R | Response:
        question = ask_for_password()
        return view(*args, **kwargs) if question is None else question

    return wrapped


def ask_for_password() -> Response | None:
    """The page that asks, or None when there is nothing to ask: the password was typed recently, or just now."""
    typed = request.form.get(FIELD)
    if typed is not None:
        return None if confirm_visit(typed) else _question(WRONG)
    return None if current_pages().visits.is_confirmed(current_visit()) else _question(None)


def confirm_visit(password: str) -> bool:
    """Confirm the visit if this is its user's password. Returns whether it is."""
    pages, visit = current_pages(), current_visit()
    try:
        proof = pages.passwords.again(visit.user_id, password, caller())
    except Refused:
        return False
    pages.visits.confirm(visit, proof)
    return True


def _question(problem: str | None) -> Response:
    if request.method == "POST":
        action = request.full_path.rstrip("?")
        carried = [
            (n, v) for n, v in request.form.items(multi=True) if n != forms.FIELD and "password" not in n.lower()
        ]
    else:
        action = ""
        carried = [("next", addresses.local(request.full_path.rstrip("?"), "/account/"))]
    response = render("pages/confirm.html", 403, action=action, carried=carried, problem=problem)
    if request.headers.get("HX-Request") == "true":
        response.headers["HX-Retarget"] = "body"
        response.headers["HX-Reswap"] = "innerHTML"
    return response
