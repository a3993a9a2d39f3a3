"""Clients: list and search, everything about one, and the acts on it. Registering and editing are in `clients_edit`."""

from __future__ import annotations

from typing import Final

from flask import request

from authserver.administration import apis, clients, sessions
from authserver.administration.context import Administration
from authserver.administration.errors import Invalid
from authserver.administration.sessions import Whose
from authserver.clients.fields import FIELDS, Field, Input
from authserver.clients.model import ClientRecord
from authserver.clients.store import Filter
from authserver.console import handover, snippets
from authserver.console.client_form import state_of
from authserver.console.entry import sentences
from authserver.console.section import Section
from authserver.pages.confirmation import confirmed
from authserver.pages.pages import Page, current_pages, flash, render, see_other
from authserver.pages.texts import span

READ: Final = "authserver:clients:read"
SECTION: Final = Section("Clients", "clients", reads=READ, writes="authserver:clients:write")
SESSIONS_READ: Final = "authserver:sessions:read"
SESSIONS_WRITE: Final = "authserver:sessions:write"

_PAGE_SIZE: Final = 50
_FIRST: Final = ("scopes", "grants", "auth_methods")
#: How many seconds the old secret may still work, with the words for it.
OVERLAPS: Final = {
    "86400": "for a day",
    "3600": "for an hour",
    "604800": "for a week",
    "2592000": "for 30 days",
    "0": "not at all: it ends now",
}


@SECTION.get()
def index(admin: Administration) -> Page:
    given = {name: request.args.get(name, "").strip() for name in ("q", "kind", "state", "scope")}
    which = Filter(
        text=given["q"] or None,
        kind=given["kind"] or None,
        enabled={"enabled": True, "disabled": False}.get(given["state"]),
        scope=given["scope"] or None,
    )
    rows = clients.find_all(admin, which, after=request.args.get("after"), limit=_PAGE_SIZE + 1)
    return render(
        "console/clients.html",
        rows=rows[:_PAGE_SIZE],
        after=rows[_PAGE_SIZE - 1].client_id if len(rows) > _PAGE_SIZE else None,
        given=given,
        kinds=[("", "any"), *((kind, kind) for kind in FIELDS["kind"].choices)],
        is_filtered=any(given.values()) or "after" in request.args,
    )


@SECTION.get("/show")
def show(admin: Administration) -> Page:
    row = _client(admin)
    live = None
    if admin.may(SESSIONS_READ):
        live = sessions.count_live(admin, Whose(client_id=row.client_id))
    settings = state_of(clients.registration_of(row))
    shown = {name: _value_in_words(FIELDS[name], values) for name, values in settings.items() if name != "name"}
    return render(
        "console/client.html",
        row=row,
        facts={FIELDS[name].label: shown[name] for name in _FIRST},
        more={FIELDS[name].label: text for name, text in shown.items() if name not in _FIRST},
        concerns=sentences(clients.concerns_of(admin, row)),
        snippets=_snippets(admin, row),
        live=live,
        overlaps=OVERLAPS,
        now=admin.database.now(),
    )


@SECTION.get("/secret", needs=SECTION.writes)
def secret(admin: Administration) -> Page:
    """Show a new secret once. On a reload the page says that it was shown."""
    row = _client(admin)
    page = render(
        "console/client_secret.html", row=row, secret=handover.take(row.client_id), snippets=_snippets(admin, row)
    )
    return handover.clear(page)


@SECTION.post("/secret")
@confirmed
def rotate(admin: Administration) -> Page:
    client_id, overlap = request.args.get("client", ""), request.form.get("overlap", "")
    if overlap not in OVERLAPS:
        raise Invalid("choose how long the old secret goes on")
    made = clients.rotate_secret(admin, client_id, overlap=int(overlap))
    return handover.give(see_other("console.clients.secret", client=client_id), client_id, made)


@SECTION.post("/disable")
@confirmed
def disable(admin: Administration) -> Page:
    client_id = request.args.get("client", "")
    clients.disable(admin, client_id)
    flash(f"Disabled {client_id}. Its sessions are over.")
    return see_other("console.clients.show", client=client_id)


@SECTION.post("/enable")
def enable(admin: Administration) -> Page:
    client_id = request.args.get("client", "")
    clients.enable(admin, client_id)
    flash(f"Enabled {client_id}. Its users sign in again.")
    return see_other("console.clients.show", client=client_id)


@SECTION.post("/end-sessions", needs=SESSIONS_WRITE)
@confirmed
def end_sessions(admin: Administration) -> Page:
    client_id = request.args.get("client", "")
    clients.end_all(admin, client_id)
    flash(f"Everything that {client_id} holds ends within seconds. It can sign users in again at once.")
    return see_other("console.clients.show", client=client_id)


@SECTION.post("/remove")
@confirmed
def remove(admin: Administration) -> Page:
    client_id = request.args.get("client", "")
    clients.remove(admin, client_id)
    flash(f"Removed {client_id}. Its sessions are over.")
    return see_other("console.clients.index")


def _client(admin: Administration) -> ClientRecord:
    return clients.find(admin, request.args.get("client", ""))


def _value_in_words(field: Field, values: list[str]) -> str:
    if field.input is Input.SWITCH:
        return "yes" if values else "no"
    if field.input is Input.DURATION and values:
        return f"{span(int(values[0]))} ({values[0]} s)"
    return " ".join(values) or field.unset


def _snippets(admin: Administration, row: ClientRecord) -> list[snippets.Snippet]:
    """Code for the scopes of one API, because a request for scopes of several APIs has to name the APIs."""
    registration = clients.registration_of(row)
    wanted = registration.scopes if registration.default_scopes is None else registration.default_scopes
    owned = [sorted(wanted & plan.scopes.keys()) for plan in apis.find_all(admin)]
    return snippets.for_client(current_pages().issuer, registration, max(owned, key=len, default=[]))
