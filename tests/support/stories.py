"""A story of every act of administration: what it begins with, the act, and the events that it leaves."""

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
from tests.support.held import held
from tests.support.oauth import OAuth, Person
from tests.support.stage import API, Stage

ACTOR, PLACE = "user:01a1febe-70ec-7c74-a485-0129a8adee4e", Caller("192.0.2.7", "a browser")
OTHER = "https://other.example.com"

PASSWORD = "a password that nobody may read"


#: An event, and the object that it names.
Expected = list[tuple[str, object]]


class World:
    """What the stories begin with: an administrator, a client, a user who is signed in."""

    def __init__(self, stage: Stage, oauth: OAuth) -> None:
        settings = stage.with_settings(caches=CacheSettings(max_age=0.1))
        self.admin = Administration(stage.database, settings, ACTOR, authority=frozenset(SCOPES), caller=PLACE)
        self.app = stage.an_app()
        self.person: Person = stage.a_person(password=PASSWORD)
        self.user_id = UUID(self.person.id)
        token = held(oauth.as_app(self.app).sign_in(self.person))
        self.session_id = UUID(token.session_id)
        #: What was handed out or given, and must stand in no event.
        self.secrets = [PASSWORD, self.app.secret or "", token.refresh_token, token.access_token]

    def key_id(self, kind: Kind, state: str) -> int:
        return int(next(row.id for row in keys.find_all(self.admin) if (row.kind, row.state) == (kind, state)))


def _registration(world: World, **changes: Any) -> Registration:
    return replace(registration_of(clients.find(world.admin, world.app.client_id)), **changes)


def client_added(world: World) -> Expected:
    made = clients.add(world.admin, _registration(world, client_id="shop"))
    world.secrets.append(made.secret or "")
    return [("client.added", "shop")]


def client_changed(world: World) -> Expected:
    clients.edit(world.admin, world.app.client_id, lambda before: replace(before, name="Another"))
    return [("client.changed", world.app.client_id)]


def client_disabled(world: World) -> Expected:
    clients.disable(world.admin, world.app.client_id)
    return [("client.disabled", world.app.client_id)]


def client_enabled(world: World) -> Expected:
    return [*client_disabled(world), *_enable(world)]


def _enable(world: World) -> Expected:
    clients.enable(world.admin, world.app.client_id)
    return [("client.enabled", world.app.client_id)]


def client_sessions_ended(world: World) -> Expected:
    clients.end_all(world.admin, world.app.client_id)
    return [("session.revoked", world.app.client_id)]


def client_secret_rotated(world: World) -> Expected:
    world.secrets.append(clients.rotate_secret(world.admin, world.app.client_id, overlap=60))
    return [("client.secret_rotated", world.app.client_id)]


def client_removed(world: World) -> Expected:
    clients.remove(world.admin, world.app.client_id)
    return [("client.removed", world.app.client_id)]


def user_added(world: World) -> Expected:
    return [("user.added", users.add(world.admin, Profile("anna", None, frozenset({"x"})), PASSWORD).id)]


def user_added_hashed(world: World) -> Expected:
    made = HASHES["bcrypt, Django 5.2"]
    world.secrets.append(made)
    return [("user.added", users.add_hashed(world.admin, Profile("anna", None, frozenset()), made).id)]


def user_changed(world: World) -> Expected:
    users.edit(world.admin, world.person.id, lambda before: replace(before, roles=frozenset({"x"})))
    return [("user.changed", world.user_id)]


def user_password_set(world: World) -> Expected:
    users.set_password(world.admin, world.person.id, PASSWORD + " anew")
    return [("session.revoked", world.user_id), ("user.password_set", world.user_id)]


def user_signed_out_everywhere(world: World) -> Expected:
    visits = Visits(world.admin.database, world.admin.settings.pages)
    world.secrets.append(visits.open(Proof(world.user_id, 1, 0, frozenset({"pwd"})), Caller()))
    sessions.revoke_all(world.admin, Whose(user_id=world.user_id))
    return [("session.revoked", world.user_id), ("visit.ended", world.user_id)]


def password_link_issued(world: World) -> Expected:
    world.secrets.append(password_links.issue(world.admin, world.person.username).url)
    return [("user.password_link_issued", world.user_id)]


def administrator_created(world: World) -> Expected:
    return [("user.added", password_links.create_administrator(world.admin, "root", None, PASSWORD).id)]


def first_administrator_created(world: World) -> Expected:
    issued = password_links.first_administrator(world.admin, "root")
    assert issued is not None
    world.secrets.append(issued.url)
    user_id = users.find(world.admin, "root").id
    return [("user.added", user_id), ("user.password_link_issued", user_id)]


def user_disabled(world: World) -> Expected:
    users.disable(world.admin, world.person.id)
    return [("session.revoked", world.user_id), ("user.disabled", world.user_id)]


def user_enabled(world: World) -> Expected:
    before = user_disabled(world)
    users.enable(world.admin, world.person.id)
    return [*before, ("user.enabled", world.user_id)]


def user_removed(world: World) -> Expected:
    users.remove(world.admin, world.person.id)
    return [("session.revoked", world.user_id), ("user.removed", world.user_id)]


def users_imported(world: World) -> Expected:
    lines = f"username,password,password_hash\nanna,{PASSWORD},\nbob,,{HASHES['bcrypt, Django 5.2']}\n"
    world.secrets.append(HASHES["bcrypt, Django 5.2"])
    list(users_import.import_users(world.admin, io.BytesIO(lines.encode()), "csv"))
    added = [("user.imported", users.find(world.admin, name).id) for name in ("anna", "bob")]
    return [*added, ("users.imported", ...)]


def users_exported(world: World) -> Expected:
    list(users_import.export_users(world.admin, "csv"))
    return [("users.exported", "all")]


def api_added(world: World) -> Expected:
    apis.add(world.admin, Plan(OTHER, "Other", None, {"send": frozenset()}))
    return [("api.added", OTHER)]


def api_changed(world: World) -> Expected:
    apis.edit(world.admin, API, lambda before: replace(before, name="Another"))
    return [("api.changed", API)]


def api_removed(world: World) -> Expected:
    apis.remove(world.admin, API)
    return [("api.changed", API), ("api.removed", API)]


def session_revoked(world: World) -> Expected:
    assert sessions.revoke(world.admin, world.session_id)
    return [("session.revoked", world.session_id)]


def sessions_revoked(world: World) -> Expected:
    sessions.revoke_all(world.admin, Whose(user_id=world.user_id))
    return [("session.revoked", world.user_id)]


def key_rotated(world: World) -> Expected:
    following = world.key_id(Kind.SIGNING, "next")
    keys.rotate(world.admin, Kind.SIGNING, at_once=True)
    return [("key.promoted", str(following))]


def key_leaked(world: World) -> Expected:
    following = world.key_id(Kind.SIGNING, "next")
    keys.mark_leaked(world.admin, following)
    return [("key.leaked", str(following))]


def keys_rewrapped(world: World) -> Expected:
    keys.rewrap(world.admin)
    return [("keys.rewrapped", "all")]


STORIES: dict[str, Callable[[World], Expected]] = {
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
