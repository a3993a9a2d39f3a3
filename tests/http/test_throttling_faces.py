"""Administrators see what counts failed attempts, and lift delays, on the pages and by the admin API."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from flask import Flask

from authserver.administration import explaining
from authserver.refusals.reasons import Reason
from tests.support.admin_api import AdminApi, a_program
from tests.support.console import words
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth, Person
from tests.support.setup import Setup
from tests.support.token_answer import reason
from tests.support.visitor import Visitor

THROTTLING = "/admin/throttling"
ADDRESS, PLACE = "198.51.100.1", "198.51.100.0/24"
FREE = 10


@pytest.fixture
def attacker(app: Flask, setup: Setup) -> Iterator[OAuth]:
    """A public client at an address."""
    transport = httpx.WSGITransport(app, remote_addr=ADDRESS)
    with httpx.Client(transport=transport, base_url=setup.settings.issuer) as http:
        yield OAuth(http, setup.an_app(public=True))


@pytest.fixture
def api(setup: Setup, oauth: OAuth) -> AdminApi:
    return a_program(setup, oauth.http, "authserver:users:read", "authserver:users:write")


def delay(setup: Setup, attacker: OAuth, username: str) -> None:
    """Fail often enough at a name for a delay that outlasts the test."""
    wrong = Person("", username, "wrong password")
    assert [attacker.sign_in(wrong).status_code for _ in range(FREE)] == [400] * FREE
    setup.sql("UPDATE throttle_buckets SET empty_at = empty_at + 20 * 900000 WHERE kind = 3")
    assert attacker.sign_in(wrong).status_code == 429


def delay_strangers(setup: Setup) -> None:
    setup.sql("UPDATE throttle_strangers SET failures = 100")


@on_both_databases
def test_a_page_shows_the_counts_of_a_name_and_empties_them(
    console: Visitor, attacker: OAuth, person: Person, setup: Setup
):
    assert "Nothing is delayed." in words(console, THROTTLING)
    delay(setup, attacker, person.username)
    shown = words(console, THROTTLING)
    assert "Wrong passwords of a name from one place 1" in shown
    assert "no names" in shown
    address = f"{THROTTLING}?user={person.username}&address={ADDRESS}&client="
    shown = words(console, address)
    assert f"{person.username}, {PLACE}" in shown
    assert "waits" in shown
    assert f"{FREE} in a row; from 100 on all strangers wait" in shown
    act = console.form(f"{THROTTLING}/lift")
    assert console.post(act.action, dict(act.fields)).status_code == 303
    after = console.follow().text
    assert "Emptied 3 counts." in after
    assert "No attempts are counted there" in after
    assert attacker.sign_in(person).status_code == 200, "at once"
    (event,) = setup.events("throttle.lifted")
    assert (event.actor.startswith("user:"), str(event.user_id).replace("-", "")) == (True, person.id.replace("-", ""))
    assert PLACE in event.detail


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("user=nobody", "No attempts are counted there"),
        ("address=here", "is no IP address"),
        ("client=shop", "give the address too"),
        ("user=anna&address=192.0.2.1&client=shop", "give one of the two"),
        ("user=%E2%80%AE&address=192.0.2.1", "No attempts are counted there"),
        ("user=" + "a" * 5000, "No attempts are counted there"),
    ],
)
def test_a_page_says_what_is_wrong_with_a_search(console: Visitor, asked: str, said: str):
    assert said in words(console, f"{THROTTLING}?{asked}")


def test_the_page_of_a_user_says_whether_strangers_delay_the_name(
    console: Visitor, attacker: OAuth, person: Person, setup: Setup
):
    page = f"/admin/users/{person.id}"
    assert "no delay by strangers" in words(console, page)
    delay(setup, attacker, person.username)
    assert "no delay by strangers" in words(console, page), "ten failures in one place"
    delay_strangers(setup)
    assert "new places wait until" in words(console, page)
    assert f"{THROTTLING}?user={person.id}" in console.get(page).text
    assert "all strangers wait" in words(console, f"{THROTTLING}?user={person.id}")


@on_both_databases
def test_the_api_shows_and_lifts_the_counts_of_a_name(api: AdminApi, attacker: OAuth, person: Person, setup: Setup):
    delay(setup, attacker, person.username)
    query = f"user={person.username.upper()}&address={ADDRESS}"
    shown = {one["count"]: one for one in api.get(f"/throttling/counts?{query}").json()["items"]}
    assert shown.keys() == {"address", "place", "strangers"}
    assert (shown["address"]["of"], shown["address"]["next_attempt_at"]) == (PLACE, None)
    assert shown["place"]["free"] == FREE
    assert shown["place"]["next_attempt_at"].endswith("Z")
    assert (shown["strangers"]["in_a_row"], shown["strangers"]["in_a_row_free"]) == (FREE, 100)
    delays = {one["count"]: one["delayed"] for one in api.get("/throttling/delays").json()["items"]}
    assert delays["place"] == 1
    lifted = api.post("/throttling/lift", {"user": person.username, "address": ADDRESS})
    assert {one["count"] for one in lifted.json()["items"]} == shown.keys()
    assert api.get(f"/throttling/counts?{query}").json() == {"items": []}
    assert attacker.sign_in(person).status_code == 200
    assert len(setup.events("throttle.lifted")) == 1
    assert api.post("/throttling/lift", {"user": "nobody"}).json() == {"items": []}
    assert len(setup.events("throttle.lifted")) == 1, "nothing was changed"


def test_the_name_and_the_address_of_a_user_are_shown_and_lifted_together(api: AdminApi, attacker: OAuth, setup: Setup):
    person = setup.a_person(username="anna", email="anna@example.com")
    for name in ("anna", "anna@example.com"):
        assert attacker.sign_in(Person("", name, "wrong")).status_code == 400
    for asked in ("anna", "anna@example.com", person.id):
        items = api.get(f"/throttling/counts?user={quote(asked)}").json()["items"]
        assert [one["of"] for one in items] == ["anna", "anna@example.com"]
    assert len(api.post("/throttling/lift", {"user": "anna"}).json()["items"]) == 2


def test_a_clients_wrong_secrets_are_shown_and_lifted(api: AdminApi, oauth: OAuth, setup: Setup):
    from_here = {"client_id": oauth.app.client_id, "address": "127.0.0.1"}
    wrong = oauth.as_app(App(oauth.app.client_id, "ascs_wrong"))
    assert [wrong.own_token().status_code for _ in range(30)] == [401] * 30
    setup.sql("UPDATE throttle_buckets SET empty_at = empty_at + 20 * 900000 WHERE kind = 6")
    assert wrong.own_token().status_code == 429
    lifted = api.post("/throttling/lift", from_here)
    assert {one["count"] for one in lifted.json()["items"]} == {"address", "client"}
    assert wrong.own_token().status_code == 401, "it is compared again"
    (event,) = setup.events("throttle.lifted")
    assert event.client_id == oauth.app.client_id


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({}, 422, None),
        ({"address": "here"}, 422, "/address"),
        ({"client_id": "shop"}, 422, "/address"),
        ({"user": "anna", "address": "192.0.2.1", "client_id": "shop"}, 422, "/client_id"),
        ({"user": ""}, 400, "/user"),
        ({"name": "anna"}, 400, "/name"),
    ],
)
def test_the_api_names_the_member_that_is_wrong(api: AdminApi, body: object, status: int, pointer: str | None):
    answer = api.post("/throttling/lift", body)
    assert answer.status_code == status
    assert pointer is None or [one.get("field") for one in answer.json()["errors"]] == [pointer]


def test_why_names_the_command_that_lifts_the_delay(console: Visitor, attacker: OAuth, person: Person, setup: Setup):
    delay(setup, attacker, person.username)
    refused = attacker.sign_in(person)
    assert reason(setup, refused) is Reason.THROTTLED_PLACE
    shown = words(console, f"/admin/why?reference={refused.json()['reference']}")
    assert "authserver throttling lift --user NAME --address ADDRESS" in shown
    assert explaining.reference_in(refused.text)
