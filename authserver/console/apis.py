"""APIs and scopes: list, register, bind scopes to roles, remove; the clients of a scope, and code to verify tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from flask import request

from authserver.administration import apis, clients
from authserver.administration.apis import Plan
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, Invalid, Stale
from authserver.apis import administration
from authserver.apis.registration import BUILT_IN
from authserver.console import snippets
from authserver.console.form import Form, version_of
from authserver.console.section import Section
from authserver.pages.confirmation import ask_for_password, confirmed
from authserver.pages.pages import Page, current_pages, flash, render, see_other

SECTION: Final = Section("APIs", "apis", reads="authserver:apis:read", writes="authserver:apis:write")
CLIENTS_READ: Final = "authserver:clients:read"


@dataclass(slots=True)
class ApiForm(Form):
    """The form of an API. `scopes` has one scope a line, with the roles that open it after a colon."""

    stale: ClassVar = "Somebody else changed this API while you had it open. Nothing was saved yet."
    labels: ClassVar = {
        "audience": "Audience",
        "name": "Name",
        "scopes": "Scopes and their roles",
        "access_token_format": "Access tokens",
        "client_id": "Authenticates as client",
    }

    audience: str = ""
    name: str = ""
    client_id: str = ""
    access_token_format: str = "jwt"
    scopes: str = ""
    now: Plan | None = None

    @property
    def plan(self) -> Plan:
        return Plan(self.audience, self.name, self.client_id or None, _parsed(self.scopes), self.access_token_format)

    @property
    def formats(self) -> list[tuple[str, str]]:
        """The formats to choose from, and one that a newer version has written, because saving must keep it."""
        found = {"jwt": "the API checks them by itself", "opaque": "the API asks this server"}
        found.setdefault(self.access_token_format, "this version of the server does not know it")
        return [(value, f"{value}: {about}") for value, about in found.items()]


@SECTION.get()
def index(admin: Administration) -> Page:
    return render("console/apis.html", plans=apis.find_all(admin), built_in=BUILT_IN)


@SECTION.get("/show")
def show(admin: Administration) -> Page:
    plan = apis.find(admin, request.args.get("audience", ""))
    holders: Mapping[str, list[str]] | None = None
    if admin.may(CLIENTS_READ):
        rows = clients.find_all(admin)
        holders = {scope: [row.client_id for row in rows if scope in row.scopes] for scope in plan.scopes}
    is_own = plan.audience in BUILT_IN
    return render(
        "console/api.html",
        plan=plan,
        holders=holders,
        is_own=is_own,
        about=administration.SCOPES if plan.audience == administration.AUDIENCE else {},
        snippets=[] if is_own else snippets.for_api(current_pages().issuer, plan.audience, list(plan.scopes)),
    )


@SECTION.get("/add", needs=SECTION.writes)
def add(_admin: Administration) -> Page:
    return render("console/api_add.html", form=ApiForm())


@SECTION.post("/add")
def add_now(admin: Administration) -> Page:
    form = _sent(request.form.get("audience", "").strip())
    try:
        apis.add(admin, form.plan)
    except (Invalid, Conflict) as refusal:
        form.blame(refusal.problems)
        return render("console/api_add.html", 422, form=form)
    flash(f"Registered {form.name}. Give its scopes to the clients that need them.")
    return see_other("console.apis.show", audience=form.audience)


@SECTION.get("/edit", needs=SECTION.writes)
def edit(admin: Administration) -> Page:
    texts = _texts(apis.find(admin, request.args.get("audience", "")))
    return _edit_page(ApiForm(*texts, version=version_of(texts)))


@SECTION.post("/edit")
def edit_now(admin: Administration) -> Page:
    audience = request.args.get("audience", "")
    form = _sent(audience)
    # A role that opens one of these scopes makes its users administrators.
    if audience == administration.AUDIENCE and (question := ask_for_password()) is not None:
        return question

    admin.precondition = lambda locked: form.require_unchanged(_texts(locked))
    try:
        apis.edit(admin, audience, lambda _: form.plan)
    except Stale:
        form.now = apis.find(admin, audience)
        form.version = version_of(_texts(form.now))
        form.problems.append(form.stale)
        return _edit_page(form, status=412)
    except (Invalid, Conflict) as refusal:
        form.blame(refusal.problems)
        return _edit_page(form, status=422)
    flash(f"Saved {form.name}.")
    return see_other("console.apis.show", audience=audience)


@SECTION.post("/remove")
@confirmed
def remove(admin: Administration) -> Page:
    audience = request.args.get("audience", "")
    apis.remove(admin, audience)
    flash(f"Removed {audience}. No session has its scopes any more.")
    return see_other("console.apis.index")


def written(scopes: Mapping[str, frozenset[str]]) -> str:
    """Scopes as the form shows them: one a line, with its roles after a colon and a space."""
    return "\n".join(f"{scope}: {' '.join(sorted(roles))}" if roles else scope for scope, roles in scopes.items())


def _parsed(text: str) -> dict[str, frozenset[str]]:
    """Read what `written` wrote. A scope may contain colons, so only the last colon of the first word is cut off."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if words:
            found[words[0].removesuffix(":") if len(words) > 1 else words[0]] = frozenset(words[1:])
    return found


def _texts(plan: Plan) -> tuple[str, str, str, str, str]:
    """What the form's fields show of an API."""
    return plan.audience, plan.name, plan.client_id or "", plan.access_token_format, written(plan.scopes)


def _sent(audience: str) -> ApiForm:
    form = request.form
    return ApiForm(
        audience,
        form.get("name", "").strip(),
        form.get("client_id", "").strip(),
        form.get("access_token_format", "jwt"),
        form.get("scopes", ""),
        version=form.get("version", ""),
    )


def _edit_page(form: ApiForm, *, status: int = 200) -> Page:
    is_own = form.audience in BUILT_IN
    now = "" if form.now is None else written(form.now.scopes)
    return render("console/api_edit.html", status, form=form, is_own=is_own, now_scopes=now)
