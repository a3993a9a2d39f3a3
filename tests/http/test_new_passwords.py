"""Every door that sets a password has the same rules, says which one was broken, and tells the password to nobody."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from flask import Flask

from authserver.administration import password_links, users
from authserver.administration.context import Administration
from authserver.administration.errors import Invalid
from authserver.database.engine import open_database
from authserver.demo import __main__ as demo
from tests.support.admin_api import AdminApi, a_program
from tests.support.foreign_hashes import DEFAULT_HASHES
from tests.support.foreign_hashes import PASSWORD as IMPORTED
from tests.support.oauth import OAuth, Person
from tests.support.setup import Setup, make_setup
from tests.support.shell import Shell
from tests.support.snapshot import contents
from tests.support.visitor import Visitor

NAME, ADDRESS = "anna.meyer", "anna.meyer@bakery.example"
GOOD = "seven herons at dusk"
BREACHED = "eight herons at dusk"
#: A password that breaks a rule, and what each door says of it.
REFUSED = {
    "Meyer!1984": "it is little more than the user name",
    "P@ssword2024!": "it is a common password or close to one",
    "bakery-99": "it is little more than the e-mail address",
    "authserver1": "it is little more than the name of this service",
    "4321abcdef": "it is a sequence, or repeats a few characters",
    BREACHED: "it was found in data that was stolen elsewhere",
}


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    """With a file of breached passwords."""
    made = make_setup("sqlite", tmp_path)
    made.an_api()
    digest = hashlib.sha1(BREACHED.encode()).hexdigest().upper()
    (tmp_path / digest[:5]).write_text(f"{digest[5:]}:2\r\n")
    passwords = made.settings.passwords.model_copy(update={"breached_dir": tmp_path})
    made.settings = made.with_settings(passwords=passwords)
    yield made
    made.close()


@dataclass
class Doors:
    """What sets passwords. Each door returns its refusal beside the field, or nothing if it took the password."""

    setup: Setup
    visitor: Visitor
    console: Visitor
    api: AdminApi
    person: Person

    def account(self, password: str) -> str:
        if self.visitor.get("/account/password").is_redirect:
            self.visitor.sign_in(self.person)
            self.visitor.get("/account/password")
        form = {"old_password": self.person.password, "new_password": password, "repeated_password": password}
        return _beside(self.visitor.submit("/account/password", form), 303)

    def link(self, password: str) -> str:
        admin = Administration(self.setup.database, self.setup.settings, "cli:test")
        path = urlsplit(password_links.issue(admin, self.person.username).url).path
        self.visitor.get(path)
        return _beside(self.visitor.submit(path, {"new_password": password, "repeated_password": password}), 303)

    def console_add(self, password: str) -> str:
        self.console.get("/admin/users/add")
        form = {"username": NAME, "email": ADDRESS, "how": "password", "new_password": password}
        return _beside(self.console.submit("/admin/users/add", form), 303)

    def api_add(self, password: str) -> str:
        answer = self.api.post("/users", {"username": NAME, "email": ADDRESS, "password": password})
        return _pointed(answer, 201)

    def api_set(self, password: str) -> str:
        return _pointed(self.api.post(f"/users/{self.person.id}/password", {"password": password}), 200)

    def api_import(self, password: str) -> str:
        line = json.dumps({"username": NAME, "email": ADDRESS, "password": password})
        headers = {"Content-Type": "application/jsonl"}
        answer = self.api.send("POST", "/users/import", content=line, headers=headers).json()
        assert answer["added"] == 1 - len(answer["problems"]), answer
        return "".join(problem["detail"] for problem in answer["problems"] if problem["field"] == "password")


class Commands:
    """The commands that set passwords. A command takes a second to start, so each is asked once, with a name."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def add(self, password: str) -> str:
        return self._run("users", "add", NAME, "--email", ADDRESS, "--password-stdin", given=password)

    def set(self, password: str) -> str:
        return self._run("users", "set-password", NAME, "--password-stdin", given=password)

    def administrator(self, password: str) -> str:
        return self._run("admin", "create", NAME, "--email", ADDRESS, "--password-stdin", given=password)

    def import_(self, password: str) -> str:
        file = self.setup.directory / "users.jsonl"
        file.write_text(json.dumps({"username": NAME, "email": ADDRESS, "password": password}))
        return self._run("users", "import", str(file), given="")

    def _run(self, *arguments: str, given: str) -> str:
        done = Shell(self.setup).run(*arguments, given=given)
        assert done.returncode == 1
        return done.stderr


def _beside(answer: httpx.Response, done: int) -> str:
    """The error beside the field of the new password."""
    if answer.status_code == done:
        return ""
    assert answer.status_code == 422
    found = re.search(r'<small id="new_password-error" class="error">(.*?)</small>', answer.text)
    assert found is not None, answer.text
    assert 'aria-describedby="new_password-error new_password-hint" aria-invalid="true"' in answer.text
    text = unescape(found[1])
    return text[0].lower() + text[1:]


def _pointed(answer: httpx.Response, done: int) -> str:
    """The detail of the problem that points to the member."""
    if answer.status_code == done:
        return ""
    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert problem["field"] == "/password"
    text = str(problem["detail"])
    return text[0].lower() + text[1:]


@pytest.fixture
def person(setup: Setup, request: pytest.FixtureRequest) -> Person:
    """The user whose password is set, or another one where the door adds the user."""
    adds = "add" in request.node.name or "import" in request.node.name
    return setup.a_person(**({} if adds else {"username": NAME, "email": ADDRESS}))


@pytest.fixture
def doors(setup: Setup, visitors: Callable[[], Visitor], console: Visitor, oauth: OAuth, person: Person) -> Doors:
    return Doors(setup, visitors(), console, a_program(setup, oauth.http), person)


def methods(of: type) -> list[str]:
    return [name for name, value in vars(of).items() if callable(value) and not name.startswith("_")]


@pytest.mark.parametrize("door", methods(Doors))
def test_each_door_refuses_what_breaks_a_rule_and_takes_another_password(
    doors: Doors, setup: Setup, oauth: OAuth, caplog: pytest.LogCaptureFixture, door: str
):
    hashes = "SELECT username, password_hash, password_version FROM users ORDER BY id"
    before = setup.sql(hashes)
    set_password = getattr(doors, door)
    for password, said in REFUSED.items():
        assert said in set_password(password), (door, password)
    assert setup.sql(hashes) == before
    assert set_password(GOOD) == ""
    assert oauth.sign_in(Person("", NAME, GOOD)).status_code == 200
    kept = repr(contents(setup)) + caplog.text
    assert not any(password in kept for password in REFUSED), "no event and no line of the log has a password"


@pytest.mark.parametrize("command", methods(Commands))
def test_each_command_refuses_what_breaks_a_rule(setup: Setup, command: str):
    if command == "set":
        setup.a_person(username=NAME, email=ADDRESS)
    before = contents(setup)
    assert "it is little more than the user name" in getattr(Commands(setup), command)("Meyer!1984")
    assert contents(setup)["users"] == before["users"]


def test_a_user_whose_password_breaks_the_rules_goes_on_signing_in(setup: Setup, oauth: OAuth, visitor: Visitor):
    person = setup.a_person(username=NAME, password="password")
    first = oauth.sign_in(person)
    assert first.status_code == 200
    assert oauth.refresh(first.json()["refresh_token"]).status_code == 200
    assert visitor.sign_in(person).status_code == 303


def test_an_imported_hash_is_not_judged(setup: Setup, oauth: OAuth):
    api = a_program(setup, oauth.http)
    line = json.dumps({"username": IMPORTED[:13], "password_hash": next(iter(DEFAULT_HASHES.values()))})
    headers = {"Content-Type": "application/jsonl"}
    assert api.send("POST", "/users/import", content=line, headers=headers).json()["added"] == 1
    assert oauth.sign_in(Person("", IMPORTED[:13], IMPORTED)).status_code == 200


def test_a_user_who_has_a_new_name_may_not_take_it_as_a_password(doors: Doors, setup: Setup):
    admin = Administration(setup.database, setup.settings, "cli:test")
    users.edit(admin, doors.person.username, lambda before: users.Profile("kestrel-nest", None, before.roles))
    with pytest.raises(Invalid, match="little more than the user name"):
        users.set_password(admin, "kestrel-nest", "Kestrel.Nest7")
    users.set_password(admin, "kestrel-nest", "Meyer!1984")


def test_the_pages_let_password_managers_fill_in_a_new_password(doors: Doors):
    doors.visitor.sign_in(doors.person)
    for browser, path, fields in (
        (doors.visitor, "/account/password", 2),
        (doors.console, "/admin/users/add", 1),
    ):
        page = browser.get(path).text
        assert page.count('autocomplete="new-password"') == fields
        assert "onpaste" not in page


def test_the_demo_keeps_the_rules_that_the_doctor_advises(setup: Setup):
    passwords = setup.settings.passwords.model_copy(update={"min_length": 15})
    directory = setup.directory / "demo"
    url = {"database": setup.settings.database.model_copy(update={"url": None})}
    settings = setup.with_settings(passwords=passwords, data_dir=directory, **url)
    demo.prepare(settings)
    database = open_database(Flask("test"), settings)
    assert demo.USERNAME in {row.username for row in users.find_all(Administration(database, settings, "test"))}
    database.dispose()
