"""Keys: what each kind is for, its state, when it is replaced; rotate now, mark as leaked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from flask import abort, request

from authserver.administration import keys, leaks
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict
from authserver.administration.words import KEY_KINDS, KEY_STATES
from authserver.console.entry import sentences
from authserver.console.section import Section
from authserver.database.tables import present
from authserver.keys.model import KeyRecord, Kind, State
from authserver.keys.setup import schedule
from authserver.pages.confirmation import confirmed
from authserver.pages.pages import Page, flash, render, see_other

SECTION: Final = Section("Keys", "keys", reads="authserver:keys:read", writes="authserver:keys:write")


@SECTION.get()
def index(admin: Administration) -> Page:
    rows = keys.find_all(admin)
    shown = [row for row in rows if row.state != State.GONE or request.args.get("gone") == "1"]
    return render(
        "console/keys.html",
        kinds=KEY_KINDS,
        states=KEY_STATES,
        rows=shown,
        due=due(admin, rows),
        gone=len(rows) - len(shown),
    )


def due(admin: Administration, rows: Iterable[KeyRecord]) -> dict[int, int]:
    """When the next key replaces each active one (milliseconds), by the number of the active one."""
    lifetimes = schedule(admin.settings).lifetime
    return {
        row.id: present(row.activated_at) + lifetimes[Kind(row.kind)] * 1000
        for row in rows
        if row.state == State.ACTIVE
    }


@SECTION.get("/rotate/<kind>", needs=SECTION.writes)
def ask_to_rotate(admin: Administration, kind: str) -> Page:
    return _rotate_page(admin, _known_kind(kind))


@SECTION.post("/rotate/<kind>")
@confirmed
def rotate(admin: Administration, kind: str) -> Page:
    try:
        keys.rotate(admin, _known_kind(kind), at_once=request.form.get("at_once") == "1")
    except Conflict as refusal:
        return _rotate_page(admin, _known_kind(kind), sentences(refusal.problems), 409)
    flash(f"The next {kind} key is active now. Every session goes on.")
    return see_other("console.keys.index")


@SECTION.get("/<int:key_id>/leaked", needs=SECTION.writes)
def ask_leaked(admin: Administration, key_id: int) -> Page:
    return _leaked_page(admin, key_id)


@SECTION.post("/<int:key_id>/leaked")
@confirmed
def leaked(admin: Administration, key_id: int) -> Page:
    if request.form.get("number", "").strip() != str(key_id):
        problem = f"Nothing was changed. To mark the key as leaked, type its number, which is {key_id}."
        return _leaked_page(admin, key_id, [problem], 422)
    keys.mark_leaked(admin, key_id)
    flash(f"Marked key {key_id} as leaked.")
    return see_other("console.keys.index")


def _known_kind(kind: str) -> Kind:
    if kind not in list(Kind):
        abort(404)
    return Kind(kind)


def _rotate_page(admin: Administration, kind: Kind, problems: list[str] | None = None, status: int = 200) -> Page:
    ahead = schedule(admin.settings).publish_ahead[kind]
    return render("console/key_rotate.html", status, kind=kind, ahead=ahead, problems=problems or [])


def _leaked_page(admin: Administration, key_id: int, problems: list[str] | None = None, status: int = 200) -> Page:
    row = next((row for row in keys.find_all(admin) if row.id == key_id and row.state != State.GONE), None)
    if row is None:
        abort(404, f"There is no key {key_id} in use.")
    costs = leaks.costs(row, admin.settings)
    return render("console/key_leaked.html", status, row=row, costs=costs, problems=problems or [])
