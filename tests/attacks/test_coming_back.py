"""Ended sessions, tokens and links stay ended when a client, user or role is switched on again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from authserver.administration import apis, clients, password_links, sessions, users
from authserver.administration.context import Administration
from authserver.administration.users import Profile
from authserver.app import create_app
from tests.support.oauth import App, OAuth, Person
from tests.support.setup import API, Setup, make_setup
from tests.support.visitor import Visitor

NEW = "a wholly new password"


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    """On SQLite only: these tests check decisions, not statements."""
    made = make_setup("sqlite", tmp_path)
    made.an_api()
    yield made
    made.close()


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "cli:tester")


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.get("/account/").status_code == 200


def link(admin: Administration, person: Person) -> str:
    return urlsplit(password_links.issue(admin, person.username).url).path


def test_a_browser_that_a_disabled_user_left_signed_in_is_not_signed_in_again_by_enabling(
    visitor: Visitor, person: Person, admin: Administration, setup: Setup
):
    visitor.sign_in(person)
    assert is_signed_in(visitor)
    users.disable(admin, person.username)
    assert not is_signed_in(visitor)
    users.enable(admin, person.username)
    assert not is_signed_in(visitor)
    assert visitor.sign_in(person).status_code == 303, "the password still signs in"
    assert is_signed_in(visitor)
    assert [row.actor for row in setup.events("visit.ended")] == [admin.actor]


def test_ending_all_sessions_of_a_user_ends_the_thiefs_visit_too(
    visitor: Visitor, person: Person, admin: Administration, setup: Setup
):
    visitor.sign_in(person)
    whose = sessions.whose(admin, user=person.username, client=None)
    other = setup.a_person()
    sessions.revoke_all(admin, sessions.whose(admin, user=other.username, client=None))
    assert is_signed_in(visitor), "the end of another user's sessions does not touch this one"
    own = Administration(setup.database, setup.settings, f"user:{person.id}")
    sessions.revoke_all(own, whose)
    assert is_signed_in(visitor), "a user who ends their own sessions stays signed in to the pages"
    sessions.revoke_all(admin, whose)
    assert not is_signed_in(visitor)
    visitor.sign_in(person)
    told = visitor.get("/account/events").text
    assert "An administrator signed you out of these pages." in told


def test_a_link_that_a_disabling_ended_does_not_work_again_after_enabling(
    visitor: Visitor, person: Person, admin: Administration
):
    path = link(admin, person)
    assert visitor.get(path).status_code == 200
    users.disable(admin, person.username)
    users.enable(admin, person.username)
    assert visitor.get(path).status_code == 410
    assert visitor.get(link(admin, person)).status_code == 200


def test_a_link_made_before_a_user_became_an_administrator_takes_no_administrator_over(
    visitor: Visitor, person: Person, admin: Administration, setup: Setup
):
    """An administrator who may only write users makes a link for a user who is about to be promoted, and waits."""
    helper = Administration(
        setup.database, setup.settings, "user:helper", authority=frozenset({"authserver:users:write"})
    )
    path = link(helper, person)
    users.edit(admin, person.username, lambda before: Profile(before.username, before.email, frozenset({"reader"})))
    assert visitor.get(path).status_code == 200, "a role without administration changes nothing"
    users.edit(
        admin, person.username, lambda before: Profile(before.username, before.email, frozenset({"administrator"}))
    )
    assert visitor.get(path).status_code == 410
    path = link(admin, person)
    visitor.get(path)
    assert visitor.submit(path, {"new_password": NEW, "repeated_password": NEW}).status_code == 303
    assert visitor.sign_in(Person("", person.username, NEW)).status_code == 303


def test_the_address_of_a_link_is_told_to_nobody(visitor: Visitor, person: Person, admin: Administration):
    """No request from the page has the secret in its Referer, and no answer about the link may be cached."""
    path = link(admin, person)
    alive = visitor.get(path)
    visitor.get(path)
    refused = visitor.submit(path, {"new_password": NEW, "repeated_password": "something else"})
    visitor.get(path)
    used = visitor.submit(path, {"new_password": NEW, "repeated_password": NEW})
    gone = visitor.get(path)
    assert [page.status_code for page in (alive, refused, used, gone)] == [200, 422, 303, 410]
    secret = path.rpartition("/")[2]
    for page in (alive, refused, used, gone):
        assert _keeps_addresses_to_itself(page), page
        assert secret not in "".join(f"{name}{value}" for name, value in page.headers.items())
    assert secret not in gone.text


def test_a_new_client_with_the_id_of_a_removed_one_gets_nothing_of_it(
    oauth: OAuth, person: Person, admin: Administration, setup: Setup
):
    """An API introspected its tokens as this client. The id is free when the client's last row is gone."""
    asking = setup.an_app(client_id="asking", grants={"client_credentials"})
    apis.edit(admin, API, lambda before: replace(before, client_id="asking"))
    token = oauth.sign_in(person).json()["access_token"]
    server = setup.settings

    def is_told(app: App) -> bool:
        node = create_app(server)  # with empty caches
        with httpx.Client(transport=httpx.WSGITransport(node), base_url=server.issuer) as http:
            answer = OAuth(http, app).post("/introspect", {"token": token})
        node.extensions["authserver"].database.dispose()
        assert answer.status_code == 200
        return bool(answer.json()["active"])

    assert is_told(asking)
    clients.remove(admin, "asking")
    assert apis.find(admin, API).client_id is None
    setup.sql("DELETE FROM clients WHERE client_id = 'asking'")
    assert not is_told(setup.an_app(client_id="asking", grants={"client_credentials"}))


def _keeps_addresses_to_itself(page: httpx.Response) -> bool:
    return page.headers["Referrer-Policy"] == "strict-origin" and page.headers["Cache-Control"] == "no-store"
