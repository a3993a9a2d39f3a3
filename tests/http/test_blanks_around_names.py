"""Blanks around a user name or address do not count, at every door: keyboards add them, and people paste them."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from authserver.administration import users
from authserver.administration.context import Administration
from authserver.administration.errors import Invalid
from authserver.administration.users import Profile
from authserver.users.store import Filter
from tests.support.admin_api import a_program
from tests.support.databases import on_both_databases
from tests.support.importing import import_text
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import Setup
from tests.support.visitor import Visitor

BLANKS = [" {}", "{} ", "\t{}\t", "\u00a0{}\u3000"]
EACH = pytest.mark.parametrize("written", BLANKS)


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "cli:test")


@pytest.fixture
def anna(setup: Setup) -> Person:
    return setup.a_person(username="anna", email="anna@example.com")


@EACH
def test_a_user_signs_in_with_blanks_around_the_name(
    oauth: OAuth, visitors: Callable[[], Visitor], anna: Person, written: str
):
    for login in ("anna", "anna@example.com"):
        assert oauth.sign_in(Person(anna.id, written.format(login), anna.password)).status_code == 200
        assert visitors().sign_in(anna, login=written.format(login)).status_code == 303
    assert oauth.sign_in(Person(anna.id, "anna\r\n", anna.password)).status_code == 200  # a pasted line
    assert refused_as(oauth.sign_in(Person(anna.id, "an na", anna.password)), "invalid_grant")
    assert refused_as(oauth.sign_in(Person(anna.id, "   ", anna.password)), "invalid_grant")


@on_both_databases
@EACH
def test_an_administrator_finds_a_user_with_blanks_around_the_name(admin: Administration, anna: Person, written: str):
    for login in ("anna", "anna@example.com", anna.id):
        assert str(users.find(admin, written.format(login)).id) == anna.id
    for which in (Filter(text=written.format("nn")), Filter(login=written.format("ANNA"))):
        assert [str(row.id) for row in users.find_all(admin, which)] == [anna.id]


@EACH
def test_a_name_is_kept_without_the_blanks_around_it(admin: Administration, written: str):
    profile = Profile(written.format("Zoë"), written.format("zoe@example.com"), frozenset())
    row = users.add(admin, profile, None)
    assert (row.username, row.email) == ("Zoë", "zoe@example.com")
    renamed = users.edit(admin, str(row.id), lambda old: Profile(written.format("Zoé"), old.email, old.roles))
    assert renamed.username == "Zoé"


@pytest.mark.parametrize("written", ["anna\n", "\r\nanna", "\u2028anna", "\n"])
def test_a_name_with_a_line_end_is_not_kept(admin: Administration, written: str):
    """It was cut out of its file at the wrong place."""
    with pytest.raises(Invalid):
        users.add(admin, Profile(written, None, frozenset()), None)
    assert import_text(admin, json.dumps({"username": written}), "jsonl")[0].added == 0
    assert list(users.find_all(admin)) == []


def test_the_admin_api_takes_blanks_around_a_name(setup: Setup, oauth: OAuth):
    api = a_program(setup, oauth.http)
    made = api.post("/users", {"username": " Zoë ", "email": " zoe@example.com "})
    assert made.status_code == 201
    assert (made.json()["username"], made.json()["email"]) == ("Zoë", "zoe@example.com")
    taken: httpx.Response = api.post("/users", {"username": "zoë "})
    assert taken.status_code == 409
    for query in ({"login": " ZOE@example.com "}, {"q": " zo "}):
        assert [one["username"] for one in api.get("/users", params=query).json()["items"]] == ["Zoë"]


def test_an_import_takes_blanks_around_a_name(admin: Administration):
    assert import_text(admin, 'username,email\n" anna ", anna@example.com \n')[1] == []
    line = json.dumps({"username": "\u00a0ben ", "email": " ben@example.com", "password": " correct horse "})
    assert import_text(admin, line, "jsonl")[1] == []
    assert [row.username for row in users.find_all(admin)] == ["anna", "ben"]
    assert [row.email for row in users.find_all(admin)] == ["anna@example.com", "ben@example.com"]
    again, problems = import_text(admin, 'username\nanna \n" "\n')
    assert again.added == 0
    assert [problem.text for problem in problems if problem.field == "username"][-1].startswith("is missing")


def test_blanks_around_a_password_count(oauth: OAuth, anna: Person):
    assert oauth.sign_in(anna).status_code == 200
    assert refused_as(oauth.sign_in(Person(anna.id, "anna", f" {anna.password} ")), "invalid_grant")
