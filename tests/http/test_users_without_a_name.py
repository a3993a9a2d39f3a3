"""Users who have an address and no user name: they sign in by it, and every face shows and keeps them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from authserver.administration import users
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, Invalid
from authserver.administration.users import Profile
from tests.support.admin_api import AdminApi, a_program, refused
from tests.support.databases import on_both_databases
from tests.support.importing import exported, import_text
from tests.support.oauth import OAuth, Person
from tests.support.setup import Setup
from tests.support.shell import Shell
from tests.support.subjects import before_and_after_the_upgrade
from tests.support.token_answer import token_answer
from tests.support.visitor import Visitor

pytestmark = on_both_databases
ADDRESS = "Anna@example.com"


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "cli:tester")


@pytest.fixture
def api(oauth: OAuth, setup: Setup) -> AdminApi:
    return a_program(setup, oauth.http)


@pytest.fixture
def nameless(setup: Setup) -> Person:
    return setup.a_person(username=None, email=ADDRESS)


def test_a_program_adds_a_user_with_an_address_alone_who_signs_in_by_it(api: AdminApi, oauth: OAuth):
    added = api.post("/users", {"email": ADDRESS, "password": "correct horse"})
    assert added.status_code == 201, added.text
    assert (added.json()["username"], added.json()["email"]) == (None, ADDRESS)
    for login in (ADDRESS, ADDRESS.upper()):
        assert oauth.token(grant_type="password", username=login, password="correct horse").status_code == 200
    (found,) = api.get("/users", params={"login": ADDRESS.lower()}).json()["items"]
    assert found["id"] == added.json()["id"]
    assert refused(api.post("/users", {"email": "anna@EXAMPLE.com"}), 409, "conflict")
    neither = api.post("/users", {"roles": []})
    assert refused(neither, 422, "invalid")
    assert "A user has a user name, an e-mail address or both" in neither.text


def test_a_name_is_taken_and_given_back_but_one_of_both_stays(api: AdminApi, oauth: OAuth, setup: Setup):
    person = setup.a_person(username="anna", email=ADDRESS)
    path = f"/users/{person.id}"

    def change(**members: str | None):
        return api.patch(path, members, etag=api.get(path).headers["etag"])

    assert change(username=None).json()["username"] is None
    assert oauth.sign_in(person).status_code == 400, "the user name is free"
    assert oauth.sign_in(Person(person.id, ADDRESS, person.password)).status_code == 200
    assert setup.a_person(username="anna").username == "anna"
    kept = change(email=None)
    assert refused(kept, 422, "invalid")
    assert "A user has a user name, an e-mail address or both" in kept.text
    assert change(email="new@example.com").json()["email"] == "new@example.com"
    assert change(username="anne").json()["username"] == "anne"
    assert change(email=None).json() == api.get(path).json()


def test_lists_and_pages_have_named_and_nameless_users_in_one_order(api: AdminApi, setup: Setup):
    logins = ["a@example.com", "anna", "b@example.com", "bea", "zoe", "zz@example.com"]
    for login in reversed(logins):
        named = {"username": None, "email": login} if "@" in login else {"username": login}
        setup.a_person(password_hash="none", **named)
    listed, path = [], "/users?limit=2"
    while path:
        page = api.get(path).json()
        assert len(page["items"]) == 2
        listed += [user["username"] or user["email"] for user in page["items"]]
        path = page["next"]
    assert listed == logins
    found = api.get("/users", params={"q": "EXAMPLE"}).json()["items"]
    assert [user["email"] for user in found] == ["a@example.com", "b@example.com", "zz@example.com"]


def test_an_export_of_many_pages_is_imported_with_every_user(setup: Setup, admin: Administration):
    lines = [f",user-{n:04}@example.com,x\n" if n % 2 else f"user-{n:04},,y\n" for n in range(1100)]
    tally, problems = import_text(admin, "username,email,roles\n" + "".join(lines))
    assert (tally.added, problems) == (1100, [])
    text = exported(admin, "jsonl", hashes=False)
    rows = [json.loads(line) for line in text.splitlines()]
    assert len({row["username"] or row["email"] for row in rows}) == 1100
    assert {row["username"] is None for row in rows if row["email"]} == {True}
    tally, problems = import_text(admin, text, "jsonl")
    assert (tally.present, problems) == (1100, [])
    tally, problems = import_text(admin, "email\nuser-0001@example.com\n,\nnew@example.com\nNEW@example.com\n")
    assert [(p.line, p.field) for p in problems] == [(2, "email"), (3, "username"), (5, "email")]
    assert tally.added == 1


def test_a_name_and_an_address_of_one_line_are_of_one_user(admin: Administration, setup: Setup, nameless: Person):
    _, problems = import_text(admin, f"username,email\nanna,{ADDRESS}\n")
    assert [(problem.field, problem.text) for problem in problems] == [("email", "is the address of another user")]


def test_removing_the_user_erases_the_address_everywhere(api: AdminApi, oauth: OAuth, setup: Setup, nameless: Person):
    session_id = token_answer(oauth.sign_in(nameless)).session_id
    listed = api.get(f"/sessions/{session_id}").json()
    assert (listed["user_id"], listed["username"]) == (nameless.id, ADDRESS)
    path = f"/users/{nameless.id}"
    assert api.delete(path, etag=api.get(path).headers["etag"]).status_code == 204
    assert api.get(f"/sessions/{session_id}").json()["username"] is None
    assert "example.com" not in str(setup.sql("SELECT * FROM users"))
    assert "Anna" not in str([row.detail for row in setup.sql("SELECT detail FROM audit_events")])


def test_the_console_and_the_own_pages_call_the_user_by_the_address(
    console: Visitor, visitors: Callable[[], Visitor], setup: Setup, oauth: OAuth
):
    visitor = visitors()
    console.get("/admin/users/add")
    page = console.submit("/admin/users/add", {"email": ADDRESS, "how": "link", "new_password": ""})
    assert page.status_code == 200, page.text
    link = urlsplit(re.findall(r'<code id="link">([^<]+)</code>', page.text)[0]).path
    assert f"<strong>{ADDRESS}</strong>" in visitor.get(link).text
    password = "a wholly new password"
    assert visitor.submit(link, {"new_password": password, "repeated_password": password}).status_code in (200, 303)
    user_id = str(users.find(Administration(setup.database, setup.settings, "cli:tester"), ADDRESS).id)
    person = Person(user_id, ADDRESS, password)
    assert oauth.sign_in(person).status_code == 200
    visitor.sign_in(person)
    assert f"Signed in as <strong>{ADDRESS}</strong>" in visitor.get("/account/").text
    visitor.get("/account/data")
    data = visitor.submit("/account/data").json()["user"]
    assert (data["username"], data["email"]) == (None, ADDRESS)
    path = f"/admin/users/{user_id}"
    assert ADDRESS in console.get("/admin/users").text
    assert "<dt>User name</dt><dd>none</dd>" in console.get(path).text
    console.get(f"{path}/edit")
    lost = console.submit(f"{path}/edit", {"email": ""})
    assert lost.status_code == 422
    assert "A user has a user name, an e-mail address or both" in lost.text
    console.get(f"{path}/edit")
    assert console.submit(f"{path}/edit", {"username": "anna"}).status_code == 303
    assert oauth.sign_in(Person(user_id, "anna", password)).status_code == 200


def test_the_command_line_adds_shows_and_edits_users_without_a_name(setup: Setup):
    shell, given = Shell(setup), "correct horse\n"
    added = shell.json("users", "add", "--email", ADDRESS, "--password-stdin", given=given)
    assert (added["username"], added["email"]) == (None, ADDRESS)
    assert shell.json("users", "show", ADDRESS)["id"] == added["id"]
    assert ADDRESS in shell.run("users", "list").stdout
    assert "a user name, an e-mail address or both" in shell.refused("users", "edit", ADDRESS, "--no-email")
    assert shell.json("users", "edit", ADDRESS, "--name", "anna")["username"] == "anna"
    assert shell.json("users", "edit", "anna", "--no-name")["username"] is None
    assert "a user name, an e-mail address or both" in shell.refused("users", "add", "--password-stdin", given=given)


def test_before_all_nodes_can_work_with_it_each_new_user_has_a_name(setup: Setup):
    early, admin = before_and_after_the_upgrade(setup)
    with pytest.raises(Conflict, match=r"set database\.all_nodes_new to true"):
        users.add(early, Profile(None, ADDRESS, frozenset()), None)
    users.add(early, Profile("anna", ADDRESS, frozenset()), None)
    with pytest.raises(Conflict, match=r"set database\.all_nodes_new to true"):
        users.edit(early, "anna", lambda before: Profile(None, before.email, before.roles))
    _, problems = import_text(early, "email\nbea@example.com\n")
    assert [problem.field for problem in problems] == ["username"]
    users.edit(admin, "anna", lambda before: Profile(None, before.email, before.roles))
    changed = users.edit(early, ADDRESS, lambda before: Profile(None, "new@example.com", before.roles))
    assert changed.email == "new@example.com", "a user who is there already can be changed"
    with pytest.raises(Invalid):
        users.edit(early, changed.email, lambda before: Profile(None, None, before.roles))
