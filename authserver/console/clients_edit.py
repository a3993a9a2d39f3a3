"""Registers a client by the question "What kind of app?", and edits one without overwriting another change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from flask import abort, request

from authserver.administration import apis, clients
from authserver.administration.apis import Plan
from authserver.administration.clients import Registered
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, Invalid, Stale
from authserver.apis import administration
from authserver.apis.registration import BUILT_IN
from authserver.clients.fields import FIELDS
from authserver.clients.model import ClientRecord
from authserver.clients.registration import fill, new_client_id
from authserver.console import client_form as forms
from authserver.console import handover
from authserver.console.client_form import ClientForm
from authserver.console.clients import SECTION
from authserver.pages.confirmation import ask_for_password
from authserver.pages.pages import Page, flash, render, see_other

__all__ = ["SECTION"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One answer to "What kind of app?"."""

    title: str
    text: str
    example: str


KINDS: Final[Mapping[str, Kind]] = {
    "web": Kind(
        "Web app",
        "It has a server of its own, which can keep a secret. Users sign in; it refreshes for them.",
        "Shop",
    ),
    "browser": Kind(
        "Browser app", "All of its code runs in the page, so it can keep no secret. Users sign in.", "Shop in a page"
    ),
    "mobile": Kind(
        "Mobile or desktop app",
        "It is installed on people's devices, so it can keep no secret. Users sign in.",
        "Shop app",
    ),
    "service": Kind(
        "Service", "A program that acts for itself, with no user: a job, a back end. It has a secret.", "Invoicing"
    ),
}


@SECTION.get("/add", needs=SECTION.writes)
def kinds(admin: Administration) -> Page:
    has_api = any(plan.audience not in BUILT_IN for plan in apis.find_all(admin))
    return render("console/client_kinds.html", kinds=KINDS, has_api=has_api)


@SECTION.get("/add/<kind>", needs=SECTION.writes)
def add(admin: Administration, kind: str) -> Page:
    return _add_page(admin, _known_kind(kind), forms.shown(fill(kind, name="")), new_client_id())


@SECTION.post("/add/<kind>")
def add_now(admin: Administration, kind: str) -> Page:
    _known_kind(kind)
    form = forms.sent(request.form)
    # The id was made with the form: the same form sent twice finds it taken, instead of making a second client.
    client_id = request.form.get("client_id", "").strip() or new_client_id()
    try:
        values = {"name": "", **forms.values_of(form, fill(kind, name="")), "client_id": client_id}
        if _gives_administration(values.get("scopes", frozenset())) and (question := ask_for_password()) is not None:
            return question
        registered = clients.add(admin, fill(kind, **values))
    except (Invalid, Conflict) as refusal:
        form.blame(refusal.problems)
        return _add_page(admin, kind, form, client_id, status=422)
    return _done(registered, f"Registered {registered.row.name}.")


@SECTION.get("/edit", needs=SECTION.writes)
def edit(admin: Administration) -> Page:
    row = clients.find(admin, request.args.get("client", ""))
    return _edit_page(admin, row, forms.shown(clients.registration_of(row)))


@SECTION.post("/edit")
def edit_now(admin: Administration) -> Page:
    client_id = request.args.get("client", "")
    form = forms.sent(request.form)
    row = clients.find(admin, client_id)
    admin.precondition = lambda locked: form.require_unchanged(forms.state_of(clients.registration_of(locked)))
    try:
        values = forms.values_of(form, clients.registration_of(row))
        if _is_dangerous(row, values) and (question := ask_for_password()) is not None:
            return question
        registered = clients.edit(admin, client_id, lambda before: replace(before, **values))
    except Stale:
        row = clients.find(admin, client_id)
        again = forms.merged(form, clients.registration_of(row))
        again.problems.append(form.stale)
        return _edit_page(admin, row, again, status=412)
    except Invalid as refusal:
        form.blame(refusal.problems)
        return _edit_page(admin, row, form, status=422)
    return _done(registered, f"Saved {registered.row.name}.")


def _done(registered: Registered, text: str) -> Page:
    client_id = registered.row.client_id
    flash(text)
    if registered.secret is not None:
        return handover.give(see_other("console.clients.secret", client=client_id), client_id, registered.secret)
    return see_other("console.clients.show", client=client_id)


def _known_kind(kind: str) -> str:
    if kind not in KINDS:
        abort(404)
    return kind


def _gives_administration(scopes: frozenset[str]) -> bool:
    """Whether a client with these scopes may administer. It may do so long after this visit has ended."""
    return any(scope.startswith(administration.PREFIX) for scope in scopes)


def _is_dangerous(row: ClientRecord, values: Mapping[str, Any]) -> bool:
    """Whether the client has or gets scopes of administration, or the edit gives it a secret or lets it do without."""
    methods = values.get("auth_methods", row.auth_methods)
    changes_proof = "none" in row.auth_methods | methods and row.auth_methods != methods
    return changes_proof or _gives_administration(row.scopes | values.get("scopes", frozenset()))


def _add_page(admin: Administration, kind: str, form: ClientForm, client_id: str, *, status: int = 200) -> Page:
    return render(
        "console/client_add.html", status, kind=kind, about=KINDS[kind], client_id=client_id, **_form(admin, kind, form)
    )


def _edit_page(admin: Administration, row: ClientRecord, form: ClientForm, *, status: int = 200) -> Page:
    return render("console/client_edit.html", status, row=row, **_form(admin, row.kind, form))


def _form(admin: Administration, kind: str, form: ClientForm) -> dict[str, Any]:
    plans = apis.find_all(admin)
    known = {scope for plan in plans for scope in plan.scopes}
    audiences = {"": FIELDS["default_api"].unset, **{plan.audience: plan.name for plan in plans}}
    audiences.setdefault(form.text("default_api"), form.text("default_api"))
    return {
        "form": form,
        "groups": _groups(plans),
        "own": administration.AUDIENCE,
        "unknown": [scope for scope in form.state.get("scopes", []) if scope not in known],
        "has_users": kind != "service",
        "audiences": audiences.items(),
        "fields": FIELDS,
        "defaults": admin.settings.tokens,
    }


def _groups(plans: Sequence[Plan]) -> list[tuple[Plan, list[tuple[str, str]]]]:
    """Scopes by API, each with what it opens. The server's own API comes last: few clients need it."""
    groups = [(plan, [(scope, _about(plan, scope)) for scope in plan.scopes]) for plan in plans if plan.scopes]
    return sorted(groups, key=lambda group: group[0].audience == administration.AUDIENCE)


def _about(plan: Plan, scope: str) -> str:
    roles = " or ".join(sorted(plan.scopes[scope]))
    opened = f"Of users, only those with the role {roles}." if roles else "Open to all users."
    return f"{administration.SCOPES[scope]}. {opened}" if scope in administration.SCOPES else opened
