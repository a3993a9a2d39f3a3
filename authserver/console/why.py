"""Why?: paste the reference of a refusal, or all of the error, and read which check failed and what to do."""

from __future__ import annotations

from typing import Final

from flask import request

from authserver.administration import explaining
from authserver.administration.context import Administration
from authserver.administration.errors import Invalid
from authserver.console.entry import sentences
from authserver.console.section import Section
from authserver.pages.pages import Page, render

SECTION: Final = Section("Why?", "why", reads="authserver:audit:read", writes="authserver:audit:read")


@SECTION.get()
def index(admin: Administration) -> Page:
    """Also opened by the console's own links, with a reference."""
    pasted = request.args.get("reference", "")
    return _answer_page(admin, pasted) if pasted else _form_page("", [])


@SECTION.post()
def explain(admin: Administration) -> Page:
    """Changes nothing, but uses POST, to keep what people paste out of addresses and the logs of proxies."""
    return _answer_page(admin, request.form.get("reference", ""))


def _answer_page(admin: Administration, pasted: str) -> Page:
    try:
        refusal = explaining.explain(admin.vault, pasted)
    except Invalid as problem:
        return _form_page(pasted, sentences(problem.problems), 422)
    return render("console/why.html", pasted="", problems=[], found=explaining.look_up(admin, refusal))


def _form_page(pasted: str, problems: list[str], status: int = 200) -> Page:
    return render("console/why.html", status, pasted=pasted[:2000], problems=problems, found=None)
