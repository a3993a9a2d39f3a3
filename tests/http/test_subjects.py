"""The claim `sub` of a user who brought a subject along: in tokens of every kind, and wherever a token is shown."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from tests.support.admin_api import AdminApi, a_program, refused
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, claims
from tests.support.setup import Setup
from tests.support.shell import Shell
from tests.support.token_answer import token_answer
from tests.support.visitor import Visitor

pytestmark = on_both_databases
SUBJECT = "auth0|507f1f77bcf86cd799439020"


@pytest.fixture
def mover(setup: Setup) -> Person:
    """A user who came from another system with an id of that system."""
    return setup.a_person(subject=SUBJECT, email="mover@example.com", roles="administrator")


def test_tokens_have_the_subject_from_sign_in_to_retry(oauth: OAuth, mover: Person):
    first = token_answer(oauth.sign_in(mover))
    second = token_answer(oauth.refresh(first.refresh_token))
    again = token_answer(oauth.refresh(first.refresh_token))
    kept = token_answer(oauth.refresh(second.refresh_token, scope="read"))
    assert [answer.claims["sub"] for answer in (first, second, again, kept)] == [SUBJECT] * 4


def test_a_late_retry_and_a_stable_token_have_the_subject(oauth: OAuth, mover: Person, setup: Setup):
    late = oauth.as_app(setup.an_app(late_retries=1))
    first = token_answer(late.sign_in(mover))
    token_answer(late.refresh(first.refresh_token))
    setup.back_date(first.session_id, 31)
    assert token_answer(late.refresh(first.refresh_token)).claims["sub"] == SUBJECT
    stable = oauth.as_app(setup.an_app(refresh_policy="stable"))
    token = token_answer(stable.sign_in(mover)).refresh_token
    assert token_answer(stable.refresh(token)).claims["sub"] == SUBJECT


def test_a_user_without_one_has_the_id_as_subject(oauth: OAuth, person: Person):
    first = token_answer(oauth.sign_in(person))
    assert first.claims["sub"] == person.id
    assert token_answer(oauth.refresh(first.refresh_token)).claims["sub"] == person.id


@pytest.mark.parametrize("form", ["jwt", "opaque"])
def test_introspection_tells_the_subject_of_both_tokens(oauth: OAuth, mover: Person, setup: Setup, form: str):
    app = oauth.as_app(setup.an_app(access_token_format=form))
    answer = app.sign_in(mover).json()
    for token in (answer["access_token"], answer["refresh_token"]):
        assert app.post("/introspect", {"token": token}).json()["sub"] == SUBJECT
    assert app.revoke(answer["access_token"]).status_code == 200
    assert app.post("/introspect", {"token": answer["refresh_token"]}).json() == {"active": False}


def test_own_sessions_and_administration_find_the_user_behind_the_subject(oauth: OAuth, mover: Person, setup: Setup):
    app = oauth.as_app(setup.an_app(scopes={"sessions", "authserver:users:read"}))
    own = app.sign_in(mover, scope="sessions").json()["access_token"]
    listed = app.http.get("/sessions", headers={"Authorization": f"Bearer {own}"}).json()["sessions"]
    assert len(listed) == 1
    api = AdminApi(app.http, app.sign_in(mover, scope="authserver:users:read").json()["access_token"])
    assert api.get(f"/users/{mover.id}").json()["subject"] == SUBJECT


def test_sessions_and_users_show_the_subject_or_the_id(oauth: OAuth, mover: Person, person: Person, setup: Setup):
    api = a_program(setup, oauth.http)
    for user, subject in ((mover, SUBJECT), (person, person.id)):
        session_id = token_answer(oauth.sign_in(user)).session_id
        assert api.get(f"/sessions/{session_id}").json()["subject"] == subject
        assert api.get(f"/users/{user.id}").json()["subject"] == subject


def test_a_subject_costs_a_sign_in_and_a_refresh_no_statement(
    oauth: OAuth, mover: Person, person: Person, statements: Any
):
    token_answer(oauth.sign_in(person))  # fills the caches
    costs = []
    for user in (person, mover):
        with statements.counted() as seen:
            token = token_answer(oauth.sign_in(user)).refresh_token
        with statements.counted() as refreshed:
            token_answer(oauth.refresh(token))
        costs.append((len(seen), len(refreshed)))
    assert costs[0] == costs[1]
    assert costs[0][1] == 1


def test_a_user_downloads_the_subject(visitor: Visitor, mover: Person):
    visitor.sign_in(mover)
    visitor.get("/account/data")
    data = visitor.submit("/account/data").json()
    assert (data["user"]["id"], data["user"]["subject"]) == (mover.id, SUBJECT)


def test_a_refusal_is_explained_with_the_subject(oauth: OAuth, mover: Person, setup: Setup):
    first = token_answer(oauth.sign_in(mover))
    token_answer(oauth.refresh(first.refresh_token))
    setup.back_date(first.session_id, 31)
    reference = oauth.refresh(first.refresh_token).json()["reference"]
    explained = a_program(setup, oauth.http).post("/references", {"reference": reference}).json()
    assert (explained["user_id"], explained["subject"]) == (mover.id, SUBJECT)


def test_a_program_gives_a_subject_and_finds_the_user_by_it(oauth: OAuth, setup: Setup):
    api = a_program(setup, oauth.http)
    added = api.post("/users", {"username": "anna", "subject": SUBJECT, "password": "correct horse"})
    assert added.status_code == 201, added.text
    path = f"/users/{added.json()['id']}"
    assert added.json()["subject"] == api.get(path).json()["subject"] == SUBJECT
    (found,) = api.get("/users", params={"subject": SUBJECT}).json()["items"]
    assert found["username"] == "anna"
    assert api.get("/users", params={"subject": found["id"]}).json()["items"] == []
    signed_in = oauth.token(grant_type="password", username="anna", password="correct horse").json()
    assert claims(signed_in["access_token"])["sub"] == SUBJECT
    assert refused(api.post("/users", {"username": "bea", "subject": SUBJECT}), 409, "conflict")
    assert refused(api.post("/users", {"username": "bea", "subject": "ä"}), 422, "invalid")
    assert api.patch(path, {"subject": "another"}, etag=added.headers["etag"]).status_code == 400
    assert api.patch(path, {"roles": ["editor"]}, etag=added.headers["etag"]).json()["subject"] == SUBJECT


def test_a_program_registers_no_client_whose_id_is_a_subject(oauth: OAuth, setup: Setup):
    api = a_program(setup, oauth.http)
    body = {"kind": "service", "client_name": "Shop", "scope": "read"}
    assert api.post("/clients", {**body, "client_id": "shop"}).status_code == 201
    setup.a_person(subject="till")
    response = api.post("/clients", {**body, "client_id": "till"})
    assert refused(response, 409, "conflict")
    assert "is the subject of a user" in response.text


def test_an_administrator_gives_a_subject_in_the_console_and_cannot_change_it(
    console: Visitor, oauth: OAuth, setup: Setup
):
    page = console.get("/admin/users/add").text
    assert "the claim sub of tokens" in page
    form = {"username": "anna", "subject": SUBJECT, "how": "password", "new_password": "correct horse"}
    assert console.submit("/admin/users/add", form).status_code == 303
    (row,) = setup.sql("SELECT id, subject FROM users WHERE username = 'anna'")
    assert row.subject == SUBJECT
    path = f"/admin/users/{UUID(str(row.id))}"
    assert SUBJECT in console.get(path).text
    assert ">anna</a>" in console.get("/admin/users?q=" + quote(SUBJECT)).text
    console.get(f"{path}/edit")
    changed = {"username": "anne", "subject": "another"}
    assert console.submit(f"{path}/edit", changed).status_code == 303
    assert setup.sql("SELECT subject FROM users WHERE username = 'anne'")[0].subject == SUBJECT
    console.get("/admin/users/add")
    again = console.submit("/admin/users/add", {**form, "username": "bea"})
    assert again.status_code == 422
    assert "is the subject of another user" in again.text


def test_the_command_line_gives_shows_and_finds_subjects(setup: Setup):
    shell = Shell(setup)
    added = shell.json("users", "add", "anna", "--subject", SUBJECT, "--password-stdin", given="correct horse\n")
    assert added["subject"] == SUBJECT
    assert f"subject {SUBJECT}" in " ".join(shell.run("users", "show", "anna").stdout.split())
    (found,) = shell.json("users", "list", "--subject", SUBJECT)
    assert found["id"] == added["id"]
    assert shell.json("users", "list", "--subject", "x") == []
    refused_late = shell.refused(
        "users", "add", "bea", "--subject", SUBJECT, "--password-stdin", given="correct horse\n"
    )
    assert "is the subject of another user" in refused_late
    arguments = ("users", "add", "bea", "--subject", "new", "--password-stdin")
    setup.sql("DELETE FROM schema_origin")
    assert "set database.all_nodes_new to true" in shell.refused(*arguments, given="correct horse\n")
    later = {"AUTHSERVER_DATABASE__ALL_NODES_NEW": "true"}
    assert shell.run(*arguments, given="correct horse\n", **later).returncode == 0
