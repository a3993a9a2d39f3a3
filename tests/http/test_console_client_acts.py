"""The console rotates a client's secret, disables the client and removes it. Dangerous acts need the password."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.support.client_pages import client, register, submit, words
from tests.support.forms import codes_of
from tests.support.oauth import App, OAuth, Person
from tests.support.setup import Setup
from tests.support.visitor import Visitor


@pytest.fixture
def admin(console: Visitor) -> Visitor:
    """An administrator who has just signed in."""
    return console


def test_a_rotation_shows_whether_the_old_secret_is_still_in_use(
    admin: Visitor, setup: Setup, app: Flask, oauth: OAuth
):
    housekeeping = app.extensions["authserver"].housekeeping
    path = f"/admin/clients/show?client={oauth.app.client_id}"
    assert oauth.own_token().status_code == 200
    housekeeping.flush()
    admin.get(path)
    answer = submit(admin, f"/admin/clients/secret?client={oauth.app.client_id}", overlap="3600")
    assert answer.status_code == 303
    secret = codes_of(admin.follow())["client-secret"]
    assert "The new one was not used yet" in words(admin.get(path))
    assert oauth.own_token().status_code == 200, "both secrets work"
    new = oauth.as_app(App(oauth.app.client_id, secret))
    assert new.own_token().status_code == 200
    housekeeping.flush()
    setup.sql("UPDATE clients SET previous_secret_used_at = secret_used_at + 1")
    assert "The old one is still in use" in words(admin.get(path))
    setup.sql("UPDATE clients SET previous_secret_used_at = secret_used_at - 1")
    assert "The app uses the new one" in words(admin.get(path))


def test_a_rotation_asks_how_long_the_old_secret_goes_on(admin: Visitor, setup: Setup, oauth: OAuth):
    path = f"/admin/clients/secret?client={oauth.app.client_id}"
    token = admin.token_of(f"/admin/clients/show?client={oauth.app.client_id}")
    assert admin.post(path, {"csrf_token": token, "overlap": "99999999"}).status_code == 422
    assert admin.post(path, {"csrf_token": token, "overlap": "0"}).status_code == 303
    assert oauth.own_token().status_code == 401


def test_a_client_is_disabled_enabled_ended_and_removed(admin: Visitor, setup: Setup, oauth: OAuth, person: Person):
    client_id = oauth.app.client_id
    show = f"/admin/clients/show?client={client_id}"
    assert oauth.sign_in(person).status_code == 200
    assert "Live sessions 1" in words(admin.get(show))
    epoch = client(setup, client_id).epoch
    token = admin.token_of(show)
    for act, told in (
        ("end-sessions", "Everything that"),
        ("disable", "Disabled"),
        ("enable", "Enabled"),
    ):
        answer = admin.post(f"/admin/clients/{act}?client={client_id}", {"csrf_token": token})
        assert answer.status_code == 303, (act, answer.text)
        assert told in words(admin.follow())
    row = client(setup, client_id)
    assert bool(row.enabled)
    assert row.epoch == epoch + 2
    assert admin.post(f"/admin/clients/enable?client={client_id}", {"csrf_token": token}).status_code == 409
    assert admin.post(f"/admin/clients/remove?client={client_id}", {"csrf_token": token}).status_code == 303
    assert admin.get(show).status_code == 404


@pytest.mark.parametrize("act", ["secret", "disable", "end-sessions", "remove"])
def test_a_dangerous_act_asks_for_the_password_after_a_while(admin: Visitor, setup: Setup, oauth: OAuth, act: str):
    client_id = oauth.app.client_id
    token = admin.token_of(f"/admin/clients/show?client={client_id}")
    setup.sql("UPDATE visits SET confirmed_at = confirmed_at - 3600000")
    before = setup.sql("SELECT * FROM clients")
    answer = admin.post(f"/admin/clients/{act}?client={client_id}", {"csrf_token": token, "overlap": "3600"})
    assert answer.status_code == 403
    assert "needs your password again" in words(answer)
    assert setup.sql("SELECT * FROM clients") == before


def test_a_client_with_scopes_of_administration_asks_for_the_password_after_a_while(admin: Visitor, setup: Setup):
    admin.get("/admin/clients/add/service")
    setup.sql("UPDATE visits SET confirmed_at = confirmed_at - 3600000")
    fields = {"name": "Helper", "client_id": "helper"}
    answer = submit(admin, "/admin/clients/add/service", **fields, scopes="authserver:users:read")
    assert "needs your password again" in words(answer)
    assert not setup.sql("SELECT 1 FROM clients")
    assert register(admin, "service", **fields, scopes="read").status_code == 303


@pytest.mark.parametrize(
    ("scopes", "methods", "changes"),
    [
        ({"authserver:users:read"}, {"client_secret_basic"}, {"name": "Other"}),
        ({"read"}, {"client_secret_basic"}, {"auth_methods": "none", "grants": "password"}),
        ({"read"}, {"none"}, {"auth_methods": "client_secret_basic"}),
    ],
    ids=["it administers", "it needs no secret any more", "it gets a secret"],
)
def test_an_edit_that_takes_a_client_over_asks_for_the_password_after_a_while(
    admin: Visitor, setup: Setup, scopes: set[str], methods: set[str], changes: dict[str, str]
):
    setup.an_app(client_id="shop", scopes=scopes, auth_methods=methods, grants={"password"}, public=methods == {"none"})
    path = "/admin/clients/edit?client=shop"
    setup.sql("UPDATE visits SET confirmed_at = confirmed_at - 3600000")
    before = client(setup, "shop")
    admin.get(path)
    assert "needs your password again" in words(submit(admin, path, **changes))
    assert client(setup, "shop") == before
    setup.sql("UPDATE visits SET confirmed_at = confirmed_at + 3600000")
    admin.get(path)
    assert submit(admin, path, **changes).status_code == 303
    assert client(setup, "shop") != before


@pytest.mark.parametrize("client_id", [".", "..", "~", "a.b_c~d-e"])
def test_a_client_of_an_odd_id_has_its_page(admin: Visitor, setup: Setup, client_id: str):
    setup.an_app(client_id=client_id, name="Odd")
    page = admin.get("/admin/clients")
    assert f"client={client_id}" in page.text
    assert "Odd" in words(admin.get(f"/admin/clients/show?client={client_id}"))
    assert admin.get("/admin/clients/show?client=nobody").status_code == 404
    assert admin.get("/admin/clients/show").status_code == 404
