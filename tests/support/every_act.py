"""Every act of administration, each as a function that does it and returns the audit events it must leave."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from authserver.administration import (
    apis,
    clients,
    keys,
    password_links,
    recovery,
    sessions,
    throttling,
    users,
    users_import,
)
from authserver.administration.apis import Plan
from authserver.administration.clients import registration_of
from authserver.administration.context import Administration
from authserver.administration.sessions import Whose
from authserver.administration.users import Profile
from authserver.apis.administration import SCOPES
from authserver.clients.fields import Registration
from authserver.keys.model import Kind
from authserver.pages.visits import Visits
from authserver.records.audit import Caller
from authserver.settings.values import CacheSettings
from authserver.users.model import Proof
from tests.support.foreign_hashes import HASHES
from tests.support.oauth import OAuth, Person
from tests.support.setup import API, Setup
from tests.support.token_answer import token_answer

ACTOR, CALLER = "user:01a1febe-70ec-7c74-a485-0129a8adee4e", Caller("192.0.2.7", "a browser")
OTHER = "https://other.example.com"

PASSWORD = "a password that no event may hold"


#: Events, each with the object that it names.
Expected = list[tuple[str, object]]


class ActContext:
    """What every act starts with: an administrator, a client, and a user who is signed in."""

    def __init__(self, setup: Setup, oauth: OAuth) -> None:
        settings = setup.with_settings(caches=CacheSettings(max_age=0.1))
        self.admin = Administration(setup.database, settings, ACTOR, authority=frozenset(SCOPES), caller=CALLER)
        self.app = setup.an_app()
        self.person: Person = setup.a_person(password=PASSWORD)
        self.user_id = UUID(self.person.id)
        self.oauth = oauth.as_app(self.app)
        token = token_answer(self.oauth.sign_in(self.person))
        self.session_id = UUID(token.session_id)
        #: The secrets of the act, which no event may hold.
        self.secrets = [PASSWORD, self.app.secret or "", token.refresh_token, token.access_token]

    def key_id(self, kind: Kind, state: str) -> int:
        return int(next(row.id for row in keys.find_all(self.admin) if (row.kind, row.state) == (kind, state)))


def _registration(context: ActContext, **changes: Any) -> Registration:
    return replace(registration_of(clients.find(context.admin, context.app.client_id)), **changes)


def client_added(context: ActContext) -> Expected:
    made = clients.add(context.admin, _registration(context, client_id="shop"))
    context.secrets.append(made.secret or "")
    return [("client.added", "shop")]


def client_changed(context: ActContext) -> Expected:
    clients.edit(context.admin, context.app.client_id, lambda before: replace(before, name="Another"))
    return [("client.changed", context.app.client_id)]


def client_disabled(context: ActContext) -> Expected:
    clients.disable(context.admin, context.app.client_id)
    return [("client.disabled", context.app.client_id)]


def client_enabled(context: ActContext) -> Expected:
    return [*client_disabled(context), *_enable(context)]


def _enable(context: ActContext) -> Expected:
    clients.enable(context.admin, context.app.client_id)
    return [("client.enabled", context.app.client_id)]


def client_sessions_ended(context: ActContext) -> Expected:
    clients.end_all(context.admin, context.app.client_id)
    return [("session.revoked", context.app.client_id)]


def client_secret_rotated(context: ActContext) -> Expected:
    context.secrets.append(clients.rotate_secret(context.admin, context.app.client_id, overlap=60))
    return [("client.secret_rotated", context.app.client_id)]


def client_removed(context: ActContext) -> Expected:
    clients.remove(context.admin, context.app.client_id)
    return [("client.removed", context.app.client_id)]


def user_added(context: ActContext) -> Expected:
    return [("user.added", users.add(context.admin, Profile("anna", None, frozenset({"x"})), PASSWORD).id)]


def user_added_hashed(context: ActContext) -> Expected:
    made = HASHES["bcrypt, Django 5.2"]
    context.secrets.append(made)
    return [("user.added", users.add_hashed(context.admin, Profile("anna", None, frozenset()), made).id)]


def user_changed(context: ActContext) -> Expected:
    users.edit(context.admin, context.person.id, lambda before: replace(before, roles=frozenset({"x"})))
    return [("user.changed", context.user_id)]


def user_password_set(context: ActContext) -> Expected:
    users.set_password(context.admin, context.person.id, PASSWORD + " anew")
    return [("session.revoked", context.user_id), ("user.password_set", context.user_id)]


def user_signed_out_everywhere(context: ActContext) -> Expected:
    visits = Visits(context.admin.database, context.admin.settings.pages)
    context.secrets.append(visits.open(Proof(context.user_id, 1, 0, frozenset({"pwd"})), Caller()))
    sessions.revoke_all(context.admin, Whose(user_id=context.user_id))
    return [("session.revoked", context.user_id), ("visit.ended", context.user_id)]


def password_link_issued(context: ActContext) -> Expected:
    context.secrets.append(password_links.issue(context.admin, context.person.username).url)
    return [("user.password_link_issued", context.user_id)]


def administrator_created(context: ActContext) -> Expected:
    return [("user.added", password_links.create_administrator(context.admin, "root", None, PASSWORD).id)]


def first_administrator_created(context: ActContext) -> Expected:
    issued = password_links.first_administrator(context.admin, "root")
    assert issued is not None
    context.secrets.append(issued.url)
    user_id = users.find(context.admin, "root").id
    return [("user.added", user_id), ("user.password_link_issued", user_id)]


def user_disabled(context: ActContext) -> Expected:
    users.disable(context.admin, context.person.id)
    return [("session.revoked", context.user_id), ("user.disabled", context.user_id)]


def user_enabled(context: ActContext) -> Expected:
    before = user_disabled(context)
    users.enable(context.admin, context.person.id)
    return [*before, ("user.enabled", context.user_id)]


def user_removed(context: ActContext) -> Expected:
    users.remove(context.admin, context.person.id)
    return [("session.revoked", context.user_id), ("user.removed", context.user_id)]


def users_imported(context: ActContext) -> Expected:
    lines = f"username,password,password_hash\nanna,{PASSWORD},\nbob,,{HASHES['bcrypt, Django 5.2']}\n"
    context.secrets.append(HASHES["bcrypt, Django 5.2"])
    list(users_import.import_users(context.admin, io.BytesIO(lines.encode()), "csv"))
    added = [("user.imported", users.find(context.admin, name).id) for name in ("anna", "bob")]
    return [*added, ("users.imported", ...)]


def users_exported(context: ActContext) -> Expected:
    list(users_import.export_users(context.admin, "csv"))
    return [("users.exported", "all")]


def api_added(context: ActContext) -> Expected:
    apis.add(context.admin, Plan(OTHER, "Other", None, {"send": frozenset()}))
    return [("api.added", OTHER)]


def api_changed(context: ActContext) -> Expected:
    apis.edit(context.admin, API, lambda before: replace(before, name="Another"))
    return [("api.changed", API)]


def api_removed(context: ActContext) -> Expected:
    apis.remove(context.admin, API)
    return [("api.changed", API), ("api.removed", API)]


def session_revoked(context: ActContext) -> Expected:
    assert sessions.revoke(context.admin, context.session_id)
    return [("session.revoked", context.session_id)]


def sessions_revoked(context: ActContext) -> Expected:
    sessions.revoke_all(context.admin, Whose(user_id=context.user_id))
    return [("session.revoked", context.user_id)]


def key_rotated(context: ActContext) -> Expected:
    following = context.key_id(Kind.SIGNING, "next")
    keys.rotate(context.admin, Kind.SIGNING, at_once=True)
    return [("key.promoted", str(following))]


def key_leaked(context: ActContext) -> Expected:
    following = context.key_id(Kind.SIGNING, "next")
    keys.mark_leaked(context.admin, following)
    return [("key.leaked", str(following))]


def keys_all_leaked(context: ActContext) -> Expected:
    marked = keys.mark_all_leaked(context.admin)
    assert len(marked) == 2 * len(Kind)
    promoted: Expected = [("key.promoted", ...)] * len(Kind)
    return [*(("key.leaked", str(key_id)) for key_id in marked), *promoted]


def recovery_started(context: ActContext) -> Expected:
    recovery.start(context.admin, 3600)
    return [("recovery.started", "all")]


def recovery_stopped(context: ActContext) -> Expected:
    before = recovery_started(context)
    recovery.stop(context.admin)
    return [*before, ("recovery.ended", "all")]


def unseen_sessions_ended(context: ActContext) -> Expected:
    before = recovery_started(context)
    assert recovery.end_unseen(context.admin) == 1
    return [*before, ("sessions.swept", "all")]


def throttle_lifted(context: ActContext) -> Expected:
    wrong = Person("", context.person.username, "wrong")
    assert context.oauth.sign_in(wrong).status_code == 400
    assert throttling.lift(
        context.admin, throttling.target(context.admin, user=wrong.username, address=None, client=None)
    )
    return [("throttle.lifted", context.user_id)]


def keys_rewrapped(context: ActContext) -> Expected:
    keys.rewrap(context.admin)
    return [("keys.rewrapped", "all")]


ACTS: dict[str, Callable[[ActContext], Expected]] = {
    "apis.add": api_added,
    "apis.edit": api_changed,
    "apis.remove": api_removed,
    "clients.add": client_added,
    "clients.disable": client_disabled,
    "clients.edit": client_changed,
    "clients.enable": client_enabled,
    "clients.end_all": client_sessions_ended,
    "clients.remove": client_removed,
    "clients.rotate_secret": client_secret_rotated,
    "keys.mark_all_leaked": keys_all_leaked,
    "keys.mark_leaked": key_leaked,
    "keys.rewrap": keys_rewrapped,
    "keys.rotate": key_rotated,
    "recovery.end_unseen": unseen_sessions_ended,
    "recovery.start": recovery_started,
    "recovery.stop": recovery_stopped,
    "sessions.revoke": session_revoked,
    "password_links.create_administrator": administrator_created,
    "password_links.first_administrator": first_administrator_created,
    "password_links.issue": password_link_issued,
    "sessions.revoke_all": sessions_revoked,
    "sessions.revoke_all of a user with a visit": user_signed_out_everywhere,
    "throttling.lift": throttle_lifted,
    "users.add": user_added,
    "users.add_hashed": user_added_hashed,
    "users.disable": user_disabled,
    "users.edit": user_changed,
    "users.enable": user_enabled,
    "users.remove": user_removed,
    "users.set_password": user_password_set,
    "users_import.export_users": users_exported,
    "users_import.import_users": users_imported,
}
