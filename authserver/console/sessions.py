"""Sessions: who is signed in where, why sessions ended; end one, all of a user, all of a client."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from flask import request

from authserver.administration import audit, clients, sessions
from authserver.administration.context import Administration
from authserver.administration.errors import Invalid
from authserver.administration.sessions import Whose
from authserver.administration.words import event_in_words, session_state
from authserver.console.form import user_id_of, uuid_of
from authserver.console.section import Section
from authserver.pages.confirmation import confirmed
from authserver.pages.pages import Page, flash, render, see_other
from authserver.pages.texts import counted
from authserver.records.audit import Search

SECTION: Final = Section("Sessions", "sessions", reads="authserver:sessions:read", writes="authserver:sessions:write")
AUDIT_READ: Final = "authserver:audit:read"

_PAGE_SIZE: Final = 50
_MOST_RECENT: Final = 20


@SECTION.get()
def index(admin: Administration) -> Page:
    asked = {name: request.args.get(name, "").strip() for name in ("user", "client", "state")}
    which, before = _whose(admin), uuid_of(request.args.get("before"))
    rows = sessions.find_all(admin, which, include_ended=asked["state"] == "all", limit=_PAGE_SIZE + 1, before=before)
    shown = rows[:_PAGE_SIZE]
    return render(
        "console/sessions.html",
        rows=[(row, session_state(row)) for row in shown],
        names=sessions.usernames(admin, {row.user_id for row in shown}),
        asked=asked,
        more={**asked, "before": shown[-1].id} if len(rows) > _PAGE_SIZE else None,
        is_first=before is None,
    )


@SECTION.get("/<uuid:session_id>")
def show(admin: Administration, session_id: UUID) -> Page:
    row = sessions.find(admin, session_id)
    events = audit.find(admin, Search(session_id=session_id), limit=_MOST_RECENT) if admin.may(AUDIT_READ) else None
    name = sessions.usernames(admin, {row.user_id}).get(row.user_id)
    return render(
        "console/session.html", row=row, state=session_state(row), name=name, events=events, in_words=event_in_words
    )


@SECTION.post("/<uuid:session_id>/end")
def end(admin: Administration, session_id: UUID) -> Page:
    ended = sessions.revoke(admin, session_id)
    flash("Ended the session." if ended else "The session had ended before; nothing was changed.")
    return see_other("console.sessions.show", session_id=session_id)


@SECTION.get("/end-all", needs=SECTION.writes)
def ask_to_end_all(admin: Administration) -> Page:
    """Say how many sessions would end, also without scripts, before any is ended."""
    which = _chosen(admin)
    names = {} if which.user_id is None else sessions.usernames(admin, {which.user_id})
    return render("console/sessions_end.html", which=which, count=sessions.count_live(admin, which), names=names)


@SECTION.post("/end-all")
@confirmed
def end_all(admin: Administration) -> Page:
    which = _chosen(admin)
    live = sessions.count_live(admin, which)
    ended = sessions.revoke_all(admin, which)
    # One mark ends all sessions of a client on every node. The server's sweep changes the rows later, uncounted here.
    by_mark = which.user_id is None
    flash(f"Ended {counted(live if by_mark else ended, 'session')}." + by_mark * " The list shows it within a minute.")
    return see_other("console.sessions.index", user=request.args.get("user"), client=request.args.get("client"))


def _whose(admin: Administration) -> Whose:
    """Whose sessions the request names. Removed users and clients count too, while their sessions are kept."""
    user, client = (request.args.get(name, "").strip() for name in ("user", "client"))
    return Whose(user_id_of(admin, user), client or None)


def _chosen(admin: Administration) -> Whose:
    which = _whose(admin)
    if which == Whose():
        raise Invalid("say whose sessions to end: of a user, of a client, or of both together")
    if which.client_id is not None:
        clients.find(admin, which.client_id)
    return which
