"""Confirmation: a dangerous act asks for the password again if it was typed too long ago, and then goes on.

A person who finds an open browser can look at pages, but cannot do dangerous acts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import Response, request

from authserver.pages import forms
from authserver.pages.pages import Page, caller, current_pages, current_visit, render
from authserver.pages.waiting import asked_to_wait
from authserver.refusals.exceptions import Refused
from authserver.throttling.throttle import Throttled

FIELD = "confirm_password"
WRONG = "The password is wrong."

P = ParamSpec("P")
R = TypeVar("R", bound=Page)


def confirmed(view: Callable[P, R]) -> Callable[P, R | Response]:
    """Run the view only if the password was typed within `pages.confirmation`; else a page asks for it first.

    For a POST that page sends the same form again, with the password in the field `confirm_password`. It does not carry
    files, nor fields whose names contain "password". If a form has these, decorate the page that shows it too: a GET
    also goes to the page that asks, and comes back.
    """

    @functools.wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R | Response:
        question = ask_for_password()
        return view(*args, **kwargs) if question is None else question

    return wrapped


def ask_for_password() -> Response | None:
    """The page that asks for the password; None if it was typed recently or in this request."""
    typed = request.form.get(FIELD)
    if typed is not None:
        try:
            return None if confirm_visit(typed) else _question(WRONG)
        except Throttled as throttled:
            return asked_to_wait(_question, throttled)
    return None if current_pages().visits.is_confirmed(current_visit()) else _question(None)


def confirm_visit(password: str) -> bool:
    """Confirm the visit if this is its user's password. Returns whether it was confirmed. Raises `Throttled`."""
    pages, visit = current_pages(), current_visit()
    with pages.passwords.admitted():
        try:
            proof = pages.passwords.again(visit.user_id, visit.id, password, caller())
        except Refused:
            return False
        pages.visits.confirm(visit, proof)
    return True


def _question(problem: str | None) -> Response:
    if request.method == "POST":
        action = request.full_path.rstrip("?")
        carried = forms.carried()
    else:
        action = ""
        pages = current_pages()
        carried = [("next", pages.local(request.full_path.rstrip("?"), pages.home))]
    response = render("pages/confirm.html", 403, action=action, carried=carried, problem=problem)
    if request.headers.get("HX-Request") == "true":
        response.headers["HX-Retarget"] = "body"
        response.headers["HX-Reswap"] = "innerHTML"
    return response
