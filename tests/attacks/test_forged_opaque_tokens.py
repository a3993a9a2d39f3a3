"""A thief with a leaked opaque key can forge tokens. After the key is marked, they open nothing.

The attack needs no client with opaque tokens: the key always exists, and every endpoint reads both forms.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from flask import Flask

from authserver.apis.administration import SCOPES
from authserver.keys.keyring import Keyring
from authserver.keys.model import Kind
from authserver.keys.setup import open_vault
from authserver.tokens import opaque
from tests.support.admin_api import AdminApi, a_program, refused, token_of
from tests.support.databases import on_both_databases
from tests.support.hasher import until
from tests.support.oauth import App, OAuth, Person, claims, refused_as
from tests.support.setup import Setup
from tests.support.snapshot import contents

pytestmark = on_both_databases


@dataclass
class Thief:
    """Has the key table and the master key of one moment, and knows the claims of others' tokens."""

    keyring: Keyring

    def forge(self, like: str) -> str:
        """A token of another id under the stolen opaque key, with the claims of this JWT."""
        return opaque.seal(self.keyring.current(), {**claims(like), "jti": str(uuid4())})


@pytest.fixture
def thief(setup: Setup, app: Flask) -> Thief:
    keyring = Keyring(setup.database, open_vault(setup.settings), max_age=3600)
    keyring.current()
    return Thief(keyring)


@dataclass
class ForgedTokens:
    """A program's token for the admin API, and a user's for /sessions. Both can be introspected."""

    program: App
    program_token: str
    app: App
    user_token: str

    def accepted_at(self, http: httpx.Client) -> set[str]:
        """The endpoints of this node that accept the forged tokens."""
        administration = AdminApi(http, self.program_token).get("/clients")
        sessions = http.get("/sessions", headers={"Authorization": f"Bearer {self.user_token}"})
        assert administration.status_code == 200 or refused(administration, 401, "unauthenticated")
        assert sessions.status_code == 200 or refused_as(sessions, "invalid_token", 401)
        opens = {
            "/admin/api": administration.status_code == 200,
            "/sessions": sessions.status_code == 200,
            "/introspect, a program's": introspected(http, self.program, self.program_token) != {"active": False},
            "/introspect, a user's": introspected(http, self.app, self.user_token) != {"active": False},
        }
        return {door for door, is_open in opens.items() if is_open}


ALL = {"/admin/api", "/sessions", "/introspect, a program's", "/introspect, a user's"}


def introspected(http: httpx.Client, asking: App, token: str) -> Any:
    return OAuth(http, asking).post("/introspect", {"token": token}).json()


@pytest.fixture
def forged(setup: Setup, oauth: OAuth, person: Person, thief: Thief) -> ForgedTokens:
    """Forged tokens of a program that may administrate, and of a user who is signed in. Both hold JWTs."""
    program = setup.an_app(kind="service", grants={"client_credentials"}, scopes=set(SCOPES))
    app = setup.an_app(scopes={"sessions"})
    user_token = oauth.as_app(app).sign_in(person).json()["access_token"]
    return ForgedTokens(program, thief.forge(token_of(oauth.as_app(program))), app, thief.forge(user_token))


@pytest.fixture
def other_node(setup: Setup, quick_app: Flask) -> Iterator[httpx.Client]:
    """Another node of the same database, whose caches are a tenth of a second old at most."""
    transport = httpx.WSGITransport(quick_app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=setup.settings.issuer) as http:
        yield http


def mark(api: AdminApi, thief: Thief) -> dict[str, Any]:
    """Mark the stolen key as leaked, as an administrator does; the answer is the key."""
    answer = api.post(f"/keys/{thief.keyring.current().opaque.id}/leaked")
    assert answer.status_code == 200, answer.text
    key: dict[str, Any] = answer.json()
    return key


def test_a_token_forged_under_a_leaked_opaque_key_opens_no_door_once_it_is_marked(
    setup: Setup, oauth: OAuth, thief: Thief, forged: ForgedTokens, other_node: httpx.Client
):
    """The node that marks the key never reads the key table by itself (its caches are STALE), but refuses at once."""
    assert forged.accepted_at(oauth.http) == ALL, "the key is trusted until it is marked"
    assert forged.accepted_at(other_node) == ALL
    assert mark(a_program(setup, oauth.http), thief)["state"] == "gone"
    assert forged.accepted_at(oauth.http) == set()
    until(lambda: forged.accepted_at(other_node) == set())


def test_a_key_that_retired_before_it_is_marked_is_gone_as_well(
    setup: Setup, oauth: OAuth, thief: Thief, forged: ForgedTokens
):
    setup.key_rotation().rotate(Kind.OPAQUE, at_once=True, actor="cli:test")
    assert forged.accepted_at(oauth.http) == ALL
    mark(a_program(setup, oauth.http), thief)
    assert forged.accepted_at(oauth.http) == set()


def test_what_is_forged_under_a_leaked_opaque_key_signs_nobody_out(
    setup: Setup, oauth: OAuth, person: Person, thief: Thief
):
    """/revoke answers as to any foreign token. Before the key is marked it accepts the token."""
    victim, other = (oauth.sign_in(person).json() for _ in range(2))
    assert oauth.revoke(thief.forge(other["access_token"])).status_code == 200
    assert refused_as(oauth.refresh(other["refresh_token"]), "invalid_grant")
    mark(a_program(setup, oauth.http), thief)
    before = contents(setup)
    assert oauth.revoke(thief.forge(victim["access_token"])).status_code == 200
    assert contents(setup) == before
    assert oauth.refresh(victim["refresh_token"]).status_code == 200
