"""A subject that looks like another identity gains nothing: the server finds users and clients by its own ids."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from tests.support.admin_api import AdminApi, a_program
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth, Person
from tests.support.setup import Setup
from tests.support.token_answer import token_answer

pytestmark = on_both_databases


@pytest.fixture
def admin(setup: Setup) -> Person:
    """An administrator without a subject: the tokens have the id as `sub`."""
    return setup.a_person(roles="administrator", email="admin@example.com")


@pytest.fixture
def shop(oauth: OAuth, setup: Setup) -> OAuth:
    return oauth.as_app(setup.an_app(scopes={"read", "sessions"}))


def own_sessions(oauth: OAuth, token: str) -> httpx.Response:
    return oauth.http.get("/sessions", headers={"Authorization": f"Bearer {token}"})


def impostors(admin: Person, client: App) -> list[str]:
    """Texts that a reader of `sub` could take for the administrator or the client, put into the table by force."""
    return [
        admin.id, admin.id.upper(), admin.id.replace("-", ""), f"{{{admin.id}}}", f"urn:uuid:{admin.id}",
        admin.username, admin.email or "", f"user:{admin.id}", client.client_id, f"client:{client.client_id}",
        client.client_id.upper(), str(uuid4()),
    ]  # fmt: skip


def test_a_subject_that_names_another_opens_only_the_own_sessions(shop: OAuth, admin: Person, setup: Setup):
    theirs = token_answer(shop.sign_in(admin))
    assert [row["id"] for row in own_sessions(shop, theirs.access_token).json()["sessions"]] == [theirs.session_id]
    for subject in impostors(admin, shop.app):
        hostile = setup.a_person(subject=subject)
        token = token_answer(shop.sign_in(hostile))
        assert token.claims["sub"] == subject
        own = shop.refresh(token.refresh_token, scope="sessions").json()["access_token"]
        listed = own_sessions(shop, own).json()["sessions"]
        assert [row["id"] for row in listed] == [token.session_id]
        ended = shop.http.delete(f"/sessions/{theirs.session_id}", headers={"Authorization": f"Bearer {own}"})
        assert ended.status_code == 404
        setup.sql("UPDATE users SET subject = NULL WHERE subject = :subject", subject=subject)
    assert shop.refresh(theirs.refresh_token).status_code == 200


def test_a_subject_that_names_an_administrator_opens_no_administration(oauth: OAuth, admin: Person, setup: Setup):
    scope = "authserver:users:read"
    app = oauth.as_app(setup.an_app(scopes={scope}))
    assert AdminApi(app.http, app.sign_in(admin, scope=scope).json()["access_token"]).get("/users").status_code == 200
    for subject in impostors(admin, app.app):
        hostile = setup.a_person(subject=subject)
        answer = app.sign_in(hostile, scope=scope).json()
        assert scope not in answer.get("scope", "")
        assert AdminApi(app.http, answer.get("access_token", "")).get("/users").status_code in (401, 403)
        setup.sql("UPDATE users SET subject = NULL WHERE subject = :subject", subject=subject)


def test_ending_a_clients_own_tokens_ends_no_session_of_a_user_with_its_id(shop: OAuth, admin: Person, setup: Setup):
    """Introspection and revocation tell a client's own token from a user's by the session, not by `sub`."""
    program = shop.as_app(setup.an_app())
    hostile = setup.a_person(subject=program.app.client_id)
    own, theirs = program.own_token().json()["access_token"], token_answer(program.sign_in(hostile))
    assert program.revoke(own).status_code == 200
    assert program.post("/introspect", {"token": own}).json() == {"active": False}
    assert program.post("/introspect", {"token": theirs.access_token}).json()["sid"] == theirs.session_id
    assert program.refresh(theirs.refresh_token).status_code == 200


def test_a_login_is_no_subject_and_a_subject_no_login(oauth: OAuth, admin: Person, setup: Setup):
    moved = setup.a_person(subject="auth0|moved")
    assert oauth.sign_in(moved).status_code == 200
    assert oauth.sign_in(Person(moved.id, "auth0|moved", moved.password)).status_code == 400
    api = a_program(setup, oauth.http)
    assert api.get("/users/auth0|moved").status_code == 404
    assert api.get("/users", params={"login": "auth0|moved"}).json()["items"] == []
    hostile = setup.a_person(subject=admin.username)
    found = api.get("/users", params={"login": admin.username}).json()["items"]
    assert [user["id"] for user in found] == [admin.id] != [hostile.id]
