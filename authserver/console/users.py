"""Users: list, add, change, disable, remove, give a link for a password; sessions and recent events of a user."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final
from uuid import UUID

from flask import request

from authserver.administration import audit, password_links, sessions, throttling, users
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, Forbidden, Invalid, Stale
from authserver.administration.sessions import Whose
from authserver.administration.users import Profile
from authserver.administration.words import event_in_words, session_state
from authserver.console.form import Form, version_of
from authserver.console.section import Section
from authserver.pages.confirmation import confirmed
from authserver.pages.pages import Page, flash, render, see_other
from authserver.pages.texts import counted
from authserver.records.audit import Search
from authserver.users.model import UserRecord, list_key, name_of
from authserver.users.store import Filter

SECTION: Final = Section("Users", "users", reads="authserver:users:read", writes="authserver:users:write")
SESSIONS_READ: Final = "authserver:sessions:read"
SESSIONS_WRITE: Final = "authserver:sessions:write"
AUDIT_READ: Final = "authserver:audit:read"

_PAGE_SIZE: Final = 50
_MOST_RECENT: Final = 10


@dataclass(slots=True)
class UserForm(Form):
    """The form of a user. It has no password, because a form with problems is shown again."""

    stale: ClassVar = "Somebody else changed this user while you had the form open. Nothing was saved yet."
    labels: ClassVar = {
        "username": "User name", "email": "E-mail address", "roles": "Roles", "password": "Password", "subject": "Subject",
    }  # fmt: skip

    username: str = ""
    email: str = ""
    roles: str = ""
    subject: str = ""

    @property
    def profile(self) -> Profile:
        roles = frozenset(self.roles.replace(",", " ").split())
        return Profile(self.username or None, self.email or None, roles, self.subject or None)


@SECTION.get()
def index(admin: Administration) -> Page:
    text, role = (request.args.get(name, "").strip() for name in ("q", "role"))
    state = request.args.get("state", "")
    which = Filter(text or None, role or None, {"enabled": True, "disabled": False}.get(state))
    after = request.args.get("after") or None
    rows = users.find_all(admin, which, after=after, limit=_PAGE_SIZE + 1)
    shown = rows[:_PAGE_SIZE]
    asked = {"q": text, "role": role, "state": state}
    more = {**asked, "after": list_key(shown[-1])} if len(rows) > _PAGE_SIZE else None
    return render("console/users.html", rows=shown, asked=asked, more=more, is_first=after is None)


@SECTION.get("/add", needs=SECTION.writes)
@confirmed
def add(admin: Administration) -> Page:
    return _add_page(admin, UserForm())


@SECTION.post("/add")
@confirmed
def add_now(admin: Administration) -> Page:
    form = _sent()
    password = request.form.get("new_password") if request.form.get("how") == "password" else None
    try:
        if password is None:
            password_links.require_pages(admin)
        row = users.add_hashed(admin, form.profile, users.hash_new(admin, form.profile, password))
    except (Invalid, Conflict, Forbidden) as refusal:
        form.blame(refusal.problems)
        return _add_page(admin, form, status=422)
    if password is None:
        return _link_page(admin, row)
    flash(f"Added {row.username}.")
    return see_other("console.users.show", user_id=row.id)


@SECTION.get("/<uuid:user_id>")
def show(admin: Administration, user_id: UUID) -> Page:
    row = users.find(admin, str(user_id))
    live, events = None, None
    if admin.may(SESSIONS_READ):
        found = sessions.find_all(admin, Whose(user_id=row.id), include_ended=False, limit=_MOST_RECENT)
        live = [(one, session_state(one)) for one in found]
    if admin.may(AUDIT_READ):
        events = audit.find(admin, Search(user_id=row.id), limit=_MOST_RECENT)
    delayed_until = throttling.delay_by_strangers(admin, row)
    return render(
        "console/user.html", user=row, live=live, events=events, in_words=event_in_words, delayed_until=delayed_until
    )


@SECTION.get("/<uuid:user_id>/edit", needs=SECTION.writes)
def edit(admin: Administration, user_id: UUID) -> Page:
    row = users.find(admin, str(user_id))
    form = UserForm(*_texts(row), version=version_of(_texts(row)))
    return render("console/user_edit.html", user=row, form=form)


@SECTION.post("/<uuid:user_id>/edit")
@confirmed
def edit_now(admin: Administration, user_id: UUID) -> Page:
    form = _sent()
    row = users.find(admin, str(user_id))
    admin.precondition = lambda locked: form.require_unchanged(_texts(locked))
    try:
        row = users.edit(admin, str(user_id), lambda before: replace(form.profile, subject=before.subject))
    except Stale as refusal:
        row = users.find(admin, str(user_id))
        form.version = version_of(_texts(row))
        form.problems = [str(refusal), _now_in_words(row)]
        return render("console/user_edit.html", 412, user=row, form=form)
    except (Invalid, Conflict, Forbidden) as refusal:
        form.blame(refusal.problems)
        return render("console/user_edit.html", 422, user=row, form=form)
    flash(f"Saved {row.username}.")
    return see_other("console.users.show", user_id=user_id)


@SECTION.post("/<uuid:user_id>/password-link")
@confirmed
def password_link(admin: Administration, user_id: UUID) -> Page:
    return _link_page(admin, users.find(admin, str(user_id)))


@SECTION.post("/<uuid:user_id>/disable")
@confirmed
def disable(admin: Administration, user_id: UUID) -> Page:
    ended = users.disable(admin, str(user_id))
    flash(f"Disabled the user; ended {counted(ended, 'session')}.")
    return see_other("console.users.show", user_id=user_id)


@SECTION.post("/<uuid:user_id>/enable")
@confirmed
def enable(admin: Administration, user_id: UUID) -> Page:
    users.enable(admin, str(user_id))
    flash("Enabled the user. Sessions that were ended stay ended.")
    return see_other("console.users.show", user_id=user_id)


@SECTION.post("/<uuid:user_id>/remove")
@confirmed
def remove(admin: Administration, user_id: UUID) -> Page:
    row = users.find(admin, str(user_id))
    ended = users.remove(admin, str(user_id))
    flash(f"Removed {row.username} for good; ended {counted(ended, 'session')}.")
    return see_other("console.users.index")


@SECTION.post("/<uuid:user_id>/end-sessions", needs=SESSIONS_WRITE)
@confirmed
def end_sessions(admin: Administration, user_id: UUID) -> Page:
    ended = sessions.revoke_all(admin, Whose(user_id=users.find(admin, str(user_id)).id))
    flash(f"Ended {counted(ended, 'session')}.")
    return see_other("console.users.show", user_id=user_id)


def _add_page(admin: Administration, form: UserForm, *, status: int = 200) -> Page:
    limits = admin.settings.passwords
    return render("console/user_add.html", status, form=form, shortest=limits.min_length, longest=limits.max_length)


def _link_page(admin: Administration, row: UserRecord) -> Page:
    """The link is in this answer and nowhere else: no redirect, no message, no log."""
    issued = password_links.issue(admin, str(row.id))
    return render("console/password_link.html", user=row, issued=issued)


def _sent() -> UserForm:
    username, email, roles, subject, version = (
        request.form.get(name, "").strip() for name in ("username", "email", "roles", "subject", "version")
    )
    return UserForm(username, email, roles, subject, version=version)


def _texts(row: UserRecord) -> tuple[str, str, str]:
    """What the form's fields show of a user."""
    return name_of(row) or "", row.email or "", " ".join(sorted(row.roles))


def _now_in_words(row: UserRecord) -> str:
    roles = ", ".join(sorted(row.roles)) or "none"
    return f"Now it says: user name {name_of(row) or 'none'}, e-mail {row.email or 'none'}, roles {roles}. Save again to replace that."
