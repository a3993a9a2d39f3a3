"""Throttling: the counts of a name, an address or a client's secrets; how many delay somebody; lifting."""

from __future__ import annotations

from typing import Final

from flask import request

from authserver.administration import throttling
from authserver.administration.context import Administration
from authserver.administration.errors import Invalid
from authserver.administration.words import count_in_words
from authserver.console.entry import sentences
from authserver.console.section import Section
from authserver.pages.confirmation import confirmed
from authserver.pages.pages import Page, flash, render, see_other
from authserver.pages.texts import counted

SECTION: Final = Section("Throttling", "throttling", reads="authserver:users:read", writes="authserver:users:write")


@SECTION.get()
def index(admin: Administration) -> Page:
    asked, counts, problems = _asked(), None, []
    if any(asked.values()):
        try:
            counts = throttling.show(admin, _target(admin))
        except Invalid as refusal:
            problems = sentences(refusal.problems)
    return render(
        "console/throttling.html",
        asked=asked,
        counts=counts,
        problems=problems,
        delayed=throttling.delayed(admin),
        in_words=count_in_words,
    )


@SECTION.post("/lift")
@confirmed
def lift(admin: Administration) -> Page:
    lifted = throttling.lift(admin, _target(admin))
    flash(f"Emptied {counted(len(lifted), 'count')}." if lifted else "Nothing was counted there any more.")
    return see_other("console.throttling.index", **_asked())


def _asked() -> dict[str, str]:
    return {name: request.args.get(name, "").strip() for name in ("user", "address", "client")}


def _target(admin: Administration) -> throttling.Target:
    user, address, client = (text or None for text in _asked().values())
    return throttling.target(admin, user=user, address=address, client=client)
