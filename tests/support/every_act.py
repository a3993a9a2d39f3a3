"""Every act of administration, each as a function that does it and returns the audit events it must leave."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from authserver.administration import apis, clients, keys, password_links, sessions, users, users_import
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
from tests.support.stage import API, Stage
from tests.support.token_answer import token_answer

ACTOR, CALLER = "user:01a1febe-70ec-7c74-a485-0129a8adee4e", Caller("192.0.2.7", "a browser")
OTHER = "https://other.example.com"

PASSWORD = "a password that no event may hold"


#: Events, each with the object that it names.
Expected = list[tuple[str, object]]


class ActSetup:
    """What every act starts with: an administrator, a client, and a user who is signed in."""

    def __init__(self, stage: Stage, oauth: OAuth) -> None:
        settings = stage.with_settings(caches=CacheSettings(max_age=0.1))
        self.admin = Administration(stage.database, settings, ACTOR, authority=frozenset(SCOPES), caller=CALLER)
        self.app = stage.an_app()
        self.person: Person = stage.a_person(password=PASSWORD)
        self.user_id = UUID(self.person.id)
        token = token_answer(oauth.as_app(self.app).sign_in(self.person))
        self.session_id = UUID(token.session_id)
        #: The secrets of the act, which no event may hold.
        self.secrets = [PASSWORD, self.app.secret or "", token.refresh_token, token.access_token]

    def key_id(self, kind: Kind, state: str) -> int:
        return int(next(row.id for row in keys.find_all(self.admin) if (row.kind, row.state) == (kind, state)))


def _registration(setup: ActSetup, **changes: Any) -> Registration:
    return replace(registration_of(clients.find(setup.admin, setup.app.client_id)), **changes)


def client_added(setup: ActSetup) -> Expected:
    made = clients.add(setup.admin, _registration(setup, client_id="shop"))
    setup.secrets.append(made.secret or "")
    return [("client.added", "shop")]


def client_changed(setup: ActSetup) -> Expected:
    clients.edit(setup.admin, setup.app.client_id, lambda before: replace(before, name="Another"))
    return [("client.changed", setup.app.client_id)]


def client_disabled(setup: ActSetup) -> Expected:
    clients.disable(setup.admin, setup.app.client_id)
    return [("client.disabled", setup.app.client_id)]


def client_enabled(setup: ActSetup) -> Expected:
    return [*client_disabled(setup), *_enable(setup)]


def _enable(setup: ActSetup) -> Expected:
    clients.enable(setup.admin, setup.app.client_id)
    return [("client.enabled", setup.app.client_id)]


def client_sessions_ended(setup: ActSetup) -> Expected:
    clients.end_all(setup.admin, setup.app.client_id)
    return [("session.revoked", setup.app.client_id)]


def client_secret_rotated(setup: ActSetup) -> Expected:
    setup.secrets.append(clients.rotate_secret(setup.admin, setup.app.client_id, overlap=60))
    return [("client.secret_rotated", setup.app.client_id)]


def client_removed(setup: ActSetup) -> Expected:
    clients.remove(setup.admin, setup.app.client_id)
    return [("client.removed", setup.app.client_id)]


def user_added(setup: ActSetup) -> Expected:
    return [("user.added", users.add(setup.admin, Profile("anna", None, frozenset({"x"})), PASSWORD).id)]


def user_added_hashed(setup: ActSetup) -> Expected:
    made = HASHES["bcrypt, Django 5.2"]
    setup.secrets.append(made)
    return [("user.added", users.add_hashed(setup.admin, Profile("anna", None, frozenset()), made).id)]


def user_changed(setup: ActSetup) -> Expected:
    users.edit(setup.admin, setup.person.id, lambda before: replace(before, roles=frozenset({"x"})))
    return [("user.changed", setup.user_id)]


def user_password_set(setup: ActSetup) -> Expected:
    users.set_password(setup.admin, setup.person.id, PASSWORD + " anew")
    return [("session.revoked", setup.user_id), ("user.password_set", setup.user_id)]


def user_signed_out_everywhere(setup: ActSetup) -> Expected:
    visits = Visits(setup.admin.database, setup.admin.settings.pages)
    setup.secrets.append(visits.open(Proof(setup.user_id, 1, 0, frozenset({"pwd"})), Caller()))
    sessions.revoke_all(setup.admin, Whose(user_id=setup.user_id))
    return [("session.revoked", setup.user_id), ("visit.ended", setup.user_id)]


def password_link_issued(setup: ActSetup) -> Expected:
    setup.secrets.append(password_links.issue(setup.admin, setup.person.username).url)
    return [("user.password_link_issued", setup.user_id)]


def administrator_created(setup: ActSetup) -> Expected:
    return [("user.added", password_links.create_administrator(setup.admin, "root", None, PASSWORD).id)]


def first_administrator_created(setup: ActSetup) -> Expected:
    issued = password_links.first_administrator(setup.admin, "root")
    assert issued is not None
    setup.secrets.append(issued.url)
    user_id = users.find(setup.admin, "root").id
    return [("user.added", user_id), ("user.password_link_issued", user_id)]


def user_disabled(setup: ActSetup) -> Expected:
    users.disable(setup.admin, setup.person.id)
    return [("session.revoked", setup.user_id), ("user.disabled", setup.user_id)]


def user_enabled(setup: ActSetup) -> Expected:
    before = user_disabled(setup)
    users.enable(setup.admin, setup.person.id)
    return [*before, ("user.enabled", setup.user_id)]


def user_removed(setup: ActSetup) -> Expected:
    users.remove(setup.admin, setup.person.id)
    return [("session.revoked", setup.user_id), ("user.removed", setup.user_id)]


def users_imported(setup: ActSetup) -> Expected:
    lines = f"username,password,password_hash\nanna,{PASSWORD},\nbob,,{HASHES['bcrypt, Django 5.2']}\n"
    setup.secrets.append(HASHES["bcrypt, Django 5.2"])
    list(users_import.import_users(setup.admin, io.BytesIO(lines.encode()), "csv"))
    added = [("user.imported", users.find(setup.admin, name).id) for name in ("anna", "bob")]
    return [*added, ("users.imported", ...)]


def users_exported(setup: ActSetup) -> Expected:
    list(users_import.export_users(setup.admin, "csv"))
    return [("users.exported", "all")]


def api_added(setup: ActSetup) -> Expected:
    apis.add(setup.admin, Plan(OTHER, "Other", None, {"send": frozenset()}))
    return [("api.added", OTHER)]


def api_changed(setup: ActSetup) -> Expected:
    apis.edit(setup.admin, API, lambda before: replace(before, name="Another"))
    return [("api.changed", API)]


def api_removed(setup: ActSetup) -> Expected:
    apis.remove(setup.admin, API)
    return [("api.changed", API), ("api.removed", API)]


def session_revoked(setup: ActSetup) -> Expected:
    assert sessions.revoke(setup.admin, setup.session_id)
    return [("session.revoked", setup.session_id)]


def sessions_revoked(setup: ActSetup) -> Expected:
    sessions.revoke_all(setup.admin, Whose(user_id=setup.user_id))
    return [("session.revoked", setup.user_id)]


def key_rotated(setup: ActSetup) -> Expected:
    following = setup.key_id(Kind.SIGNING, "next")
    keys.rotate(setup.admin, Kind.SIGNING, at_once=True)
    return [("key.promoted", str(following))]


def key_leaked(setup: ActSetup) -> Expected:
    following = setup.key_id(Kind.SIGNING, "next")
    keys.mark_leaked(setup.admin, following)
    return [("key.leaked", str(following))]


def keys_rewrapped(setup: ActSetup) -> Expected:
    keys.rewrap(setup.admin)
    return [("keys.rewrapped", "all")]


ACTS: dict[str, Callable[[ActSetup], Expected]] = {
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
    "keys.mark_leaked": key_leaked,
    "keys.rewrap": keys_rewrapped,
    "keys.rotate": key_rotated,
    "sessions.revoke": session_revoked,
    "password_links.create_administrator": administrator_created,
    "password_links.first_administrator": first_administrator_created,
    "password_links.issue": password_link_issued,
    "sessions.revoke_all": sessions_revoked,
    "sessions.revoke_all of a user with a visit": user_signed_out_everywhere,
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
