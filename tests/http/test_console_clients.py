"""The console's pages of clients: register, show the secret once, edit, rotate, disable, remove."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from flask import Flask

from authserver.clients.fields import FIELDS
from tests.support.admin_api import a_program, refused
from tests.support.console import Elements, an_administrator, browser
from tests.support.forms import codes_of
from tests.support.forms import filled as fields_of
from tests.support.oauth import App, OAuth, Person
from tests.support.server import LiveServer
from tests.support.stage import Stage
from tests.support.visitor import Visitor


@pytest.fixture
def admin(stage: Stage, app: Flask) -> Iterator[Visitor]:
    """An administrator who has just signed in."""
    with browser(stage, app) as visitor:
        assert visitor.sign_in(an_administrator(stage)).status_code == 303
        yield visitor


def client(stage: Stage, client_id: str) -> Any:
    (row,) = stage.sql("SELECT * FROM clients WHERE client_id = :id", id=client_id)
    return row


def words(page: httpx.Response) -> str:
    return Elements(page.text).words


def register(admin: Visitor, kind: str, /, **fields: Any) -> httpx.Response:
    """Fill the form of a kind and send it, with all that the page has filled in itself."""
    path = f"/admin/clients/add/{kind}"
    admin.get(path)
    return submit(admin, path, **fields)


def submit(admin: Visitor, path: str, **fields: Any) -> httpx.Response:
    """Send the form of the last page that goes to a path, boxes and areas as they are, some fields filled in."""
    form = {**filled(admin, path.partition("?")[0]), **fields}
    return admin.post(path, {name: value for name, value in form.items() if value is not None})


def filled(admin: Visitor, action: str) -> dict[str, Any]:
    """What a browser would send of a form that nobody touches: inputs, areas, and what is chosen in lists."""
    assert admin.page is not None
    return fields_of(admin.page, action)


# --- registering -----------------------------------------------------------------------------------------------------


def test_the_first_question_is_what_kind_of_app(admin: Visitor):
    page = admin.get("/admin/clients")
    assert "There are no clients yet" in page.text
    page = admin.get("/admin/clients/add")
    for kind in ("web", "browser", "mobile", "service"):
        assert f'href="/admin/clients/add/{kind}"' in page.text
    assert admin.get("/admin/clients/add/television").status_code == 404


@pytest.mark.parametrize(
    ("kind", "methods", "grants", "late_retries"),
    [
        ("web", "client_secret_basic client_secret_post", "refresh_token", 0),
        ("browser", "none", "refresh_token", 1),
        ("mobile", "none", "refresh_token", 1),
        ("service", "client_secret_basic client_secret_post", "client_credentials", 0),
    ],
)
def test_a_kind_fills_in_safe_values(
    admin: Visitor, stage: Stage, kind: str, methods: str, grants: str, late_retries: int
):
    answer = register(admin, kind, name="Shop", client_id="shop", scopes=["read", "write"])
    assert answer.status_code == 303, answer.text
    row, has_secret = client(stage, "shop"), methods != "none"
    assert (row.name, row.kind, row.scopes) == ("Shop", kind, "read write")
    assert (row.auth_methods, row.grants, row.late_retries) == (methods, grants, late_retries)
    assert (row.secret_digest is not None) is has_secret
    assert answer.headers["location"] == f"/admin/clients/{'secret' if has_secret else 'show'}?client=shop"
    assert "Registered Shop." in words(admin.follow())
    (event,) = stage.events("client.added")
    (person,) = stage.sql("SELECT id FROM users")
    assert event.actor == f"user:{UUID(str(person.id))}"


def test_a_secret_is_shown_once_and_works(admin: Visitor, stage: Stage, oauth: OAuth):
    answer = register(admin, "service", name="Billing", client_id="billing", scopes="read")
    assert "ascs_" not in str(answer.headers["location"])
    page = admin.follow()
    secret = codes_of(page)["client-secret"]
    assert secret.startswith("ascs_")
    assert "no-store" in page.headers["cache-control"]
    assert oauth.as_app(App("billing", secret)).own_token(scope="read").status_code == 200
    again = admin.get("/admin/clients/secret?client=billing")
    assert secret not in again.text
    assert "is not shown again" in words(again)
    assert secret not in admin.get("/admin/clients/show?client=billing").text


def test_a_secret_in_its_cookie_is_sealed_and_for_this_visit_and_client_alone(admin: Visitor, stage: Stage, app: Flask):
    answer = register(admin, "service", name="Billing", client_id="billing", scopes="read")
    cookie = answer.cookies["authserver-handover"]
    stage.an_app(client_id="other")
    assert "ascs_" not in cookie
    assert "is not shown again" in words(admin.get("/admin/clients/secret?client=other"))
    with browser(stage, app) as stranger:
        stranger.sign_in(an_administrator(stage))
        stranger.http.cookies.set("authserver-handover", cookie)
        assert "is not shown again" in words(stranger.get("/admin/clients/secret?client=billing"))
    admin.http.cookies.set("authserver-handover", cookie)
    assert "Keep it now" in words(admin.get("/admin/clients/secret?client=billing"))


def test_the_same_form_sent_twice_registers_one_client(admin: Visitor, stage: Stage):
    admin.get("/admin/clients/add/web")
    form = {**filled(admin, "/admin/clients/add/web"), "name": "Shop", "scopes": "read"}
    assert admin.post("/admin/clients/add/web", form).status_code == 303
    answer = admin.post("/admin/clients/add/web", form)
    assert answer.status_code == 422
    assert "is taken" in words(answer)
    assert len(stage.sql("SELECT 1 FROM clients")) == 1


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("name", "", "must be 1 to 100 printable characters"),
        ("client_id", "has spaces", "must be 1 to 32 letters"),
        ("scopes", "nobody-owns-it", "no API owns nobody-owns-it"),
        ("access_token_lifetime", "soon", "whole seconds, or a duration such as 15m"),
        ("access_token_lifetime", "900d", "must be 1 to 86400 seconds"),
        ("late_retries", "many", "a whole number"),
        ("late_retries", "99999999999999999999", "a whole number"),
        ("redirect_uris", "http://shop.example.com/back", "http off loopback"),
        ("contacts", "nobody", "is no e-mail address"),
        ("auth_methods", ["none", "client_secret_basic"], "none stands alone"),
        ("default_api", "https://nowhere.example.com", "there is no API"),
        ("default_scopes", "write", "is not among the client's scopes"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_is_lost(
    admin: Visitor, stage: Stage, field: str, value: Any, text: str
):
    good = {"name": "Shop", "client_id": "shop", "scopes": "read", "contacts": "team@example.com"}
    answer = register(admin, "web", **{**good, field: value})
    assert answer.status_code == 422, answer.text
    read = Elements(answer.text)
    assert text.lower() in read.words.lower()
    assert f'id="{field}-error"' in answer.text
    assert "authserver apis" not in read.words, "that is for the command line"
    assert not stage.sql("SELECT 1 FROM clients")
    if field not in ("name", "contacts"):
        assert filled(admin, "/admin/clients/add/web")["contacts"] == "team@example.com"
    mended = {field: None, **good, "auth_methods": "client_secret_basic"}
    assert submit(admin, "/admin/clients/add/web", **mended).status_code == 303


def test_the_password_grant_is_for_own_apps_and_warned_about(admin: Visitor, stage: Stage):
    grants = ["refresh_token", "password"]
    answer = register(admin, "web", name="Partner", client_id="p", scopes="read", grants=grants, first_party=None)
    assert answer.status_code == 422
    assert "first-party apps only" in words(answer)
    assert register(admin, "web", name="Own", client_id="own", scopes="read", grants=grants).status_code == 303
    page = admin.get("/admin/clients/show?client=own")
    assert "the password grant shows users' passwords to the app" in words(page).lower()


def test_fields_that_the_form_does_not_have_set_nothing(admin: Visitor, stage: Stage):
    more = {"secret_digest": "x", "enabled": "", "epoch": "7", "status_index": "1", "kind": "service", "removed_at": "1",
            "created_at": "1", "previous_secret_digest": "x"}  # fmt: skip
    assert register(admin, "web", name="Shop", client_id="shop", scopes="read", **more).status_code == 303
    row = client(stage, "shop")
    assert (row.kind, bool(row.enabled), row.epoch, row.removed_at) == ("web", True, 1, None)
    assert row.previous_secret_digest is None
    assert row.created_at > 1_000_000


# --- lists -----------------------------------------------------------------------------------------------------------


def test_clients_are_found_by_text_kind_state_and_scope(admin: Visitor, stage: Stage):
    stage.an_app(client_id="one", name="First shop", kind="web", scopes={"read"})
    stage.an_app(client_id="two", name="Second shop", kind="mobile", scopes={"write"})
    stage.sql("UPDATE clients SET enabled = :off WHERE client_id = 'two'", off=False)

    def found(query: str) -> set[str]:
        page = admin.get(f"/admin/clients?{query}").text
        return {name for name in ("one", "two") if f"client={name}" in page}

    assert found("") == {"one", "two"}
    assert found("q=SHOP") == {"one", "two"}
    assert found("q=first") == {"one"}
    assert found("kind=mobile") == {"two"}
    assert found("state=disabled") == {"two"}
    assert found("state=enabled") == {"one"}
    assert found("scope=write") == {"two"}
    assert found("q=%25") == set(), "no pattern"
    assert "No client is like that" in words(admin.get("/admin/clients?q=nothing"))


def test_a_long_list_comes_in_pages(admin: Visitor, stage: Stage):
    for number in range(60):
        stage.an_app(client_id=f"app-{number:03}", public=True)
    first = admin.get("/admin/clients")
    assert "app-049" in first.text
    assert "app-050" not in first.text
    second = admin.get("/admin/clients?after=app-049")
    assert "app-050" in second.text
    assert "app-059" in second.text
    assert "More clients" in first.text
    assert "More clients" not in second.text


# --- one client ------------------------------------------------------------------------------------------------------


def test_an_edit_changes_what_it_says_and_no_more(admin: Visitor, stage: Stage):
    stage.an_app(client_id="shop", name="Shop", redirect_uris={"https://shop.example.com/a"}, scopes={"read", "write"})
    before = client(stage, "shop")
    admin.get("/admin/clients/edit?client=shop")
    answer = submit(admin, "/admin/clients/edit?client=shop", name="New shop", access_token_lifetime="5m")
    assert answer.status_code == 303, answer.text
    after = client(stage, "shop")
    assert (after.name, after.access_token_lifetime) == ("New shop", 300)
    same = ("scopes", "grants", "auth_methods", "secret_digest", "redirect_uris", "late_retries", "enabled", "epoch")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    assert "Saved New shop." in words(admin.follow())


@pytest.mark.parametrize(
    ("field", "newer", "told"),
    [
        ("grants", "urn:example:newer", "does not know it"),
        ("auth_methods", "newer_method", "does not know it"),
        ("scopes", "newer:scope", "Owned by no API any more"),
    ],
)
def test_an_edit_keeps_what_a_newer_version_wrote_and_says_that_it_is_there(
    admin: Visitor, stage: Stage, oauth: OAuth, field: str, newer: str, told: str
):
    stage.an_app(client_id="shop", name="Shop", scopes={"read"})
    stage.sql(f"UPDATE clients SET {field} = {field} || :newer", newer=f" {newer}")
    before, path = client(stage, "shop"), "/admin/clients/edit?client=shop"
    assert told in words(admin.get(path))
    assert submit(admin, path).status_code == 303
    admin.get(path)
    assert submit(admin, path, name="New shop").status_code == 303
    after = client(stage, "shop")
    assert after.name == "New shop"
    assert set(getattr(after, field).split()) == set(getattr(before, field).split())
    api = a_program(stage, oauth.http)
    assert api.patch("/clients/shop", {"client_name": "Shop"}, etag="*").status_code == 200
    assert newer in getattr(client(stage, "shop"), field)
    admin.get(path)
    known = [value for value in filled(admin, "/admin/clients/edit")[field] if value != newer]
    assert submit(admin, path, **{field: [*known, "other"]}).status_code == 422, "only what was there is kept"
    assert submit(admin, path, **{field: known}).status_code == 303, "what is taken away goes"
    assert newer not in getattr(client(stage, "shop"), field)


def test_an_edit_keeps_what_the_form_shows_like_something_else(admin: Visitor, stage: Stage):
    """No default scopes at all and all of them look the same in the form, and mean the opposite."""
    stage.an_app(client_id="shop", name="Shop", default_scopes=set())
    path = "/admin/clients/edit?client=shop"
    admin.get(path)
    assert submit(admin, path, name="New shop").status_code == 303
    assert (client(stage, "shop").name, client(stage, "shop").default_scopes) == ("New shop", "")


def test_the_page_of_a_client_shows_every_field(admin: Visitor, stage: Stage):
    stage.an_app(client_id="shop", name="Shop")
    shown = words(admin.get("/admin/clients/show?client=shop"))
    for name, field in FIELDS.items():
        assert (field.label if name not in ("name", "kind") else getattr(client(stage, "shop"), name)) in shown


def test_two_who_edit_a_client_at_once_lose_nothing_without_being_told(admin: Visitor, stage: Stage, app: Flask):
    stage.an_app(client_id="shop", name="Shop", scopes={"read"})
    path = "/admin/clients/edit?client=shop"
    with browser(stage, app) as other:
        other.sign_in(an_administrator(stage))
        for visitor in (admin, other):
            visitor.get(path)
        assert submit(other, path, name="Their shop", contacts="them@example.com").status_code == 303
        answer = submit(admin, path, name="My shop", late_retries="1")
        assert answer.status_code == 412
        assert client(stage, "shop").name == "Their shop", "nothing was saved"
        told = words(answer)
        assert "Somebody else changed this client" in told
        for text in ("Their shop", "My shop", "them@example.com", "both changed"):
            assert text in Elements(answer.text).words + " ".join(Elements(answer.text).values)
        form = filled(admin, "/admin/clients/edit")
        assert form["contacts"].strip() == "them@example.com", "what only they changed is carried over"
        assert form["late_retries"] == ["1"]
        assert submit(admin, path).status_code == 303
    row = client(stage, "shop")
    assert (row.name, row.contacts, row.late_retries) == ("My shop", "them@example.com", 1)


def test_what_a_program_changed_is_not_lost_to_a_form_and_the_other_way(admin: Visitor, stage: Stage, oauth: OAuth):
    """One administrator has the form open while another one's program uses the API, and then both once more, swapped."""
    stage.an_app(client_id="shop", name="Shop", scopes={"read"})
    api, path = a_program(stage, oauth.http), "/admin/clients/edit?client=shop"
    admin.get(path)
    seen = api.get("/clients/shop").headers["etag"]
    changed = api.patch("/clients/shop", {"client_name": "The program's"}, etag=seen)
    assert changed.status_code == 200
    answer = submit(admin, path, name="The form's")
    assert answer.status_code == 412
    assert "The program's" in Elements(answer.text).words + " ".join(Elements(answer.text).values)
    assert client(stage, "shop").name == "The program's"
    assert submit(admin, path).status_code == 303, "who has been told may go on"
    late = api.patch("/clients/shop", {"client_name": "Late"}, etag=changed.headers["etag"])
    assert refused(late, 412, "changed-meanwhile")
    assert client(stage, "shop").name == "The form's"


def test_a_version_that_was_made_up_saves_nothing(admin: Visitor, stage: Stage):
    stage.an_app(client_id="shop", name="Shop")
    path = "/admin/clients/edit?client=shop"
    for version, base in (("", ""), ("0" * 64, "[]"), ("x", '{"name": 7}'), ("é", '{"name": [[]]}')):
        admin.get(path)
        assert submit(admin, path, name="Taken over", version=version, base=base).status_code == 412
    assert client(stage, "shop").name == "Shop"


def test_a_rotation_shows_whether_the_old_secret_is_still_in_use(
    admin: Visitor, stage: Stage, app: Flask, oauth: OAuth
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
    assert oauth.own_token().status_code == 200, "both work"
    new = oauth.as_app(App(oauth.app.client_id, secret))
    assert new.own_token().status_code == 200
    housekeeping.flush()
    stage.sql("UPDATE clients SET previous_secret_used_at = secret_used_at + 1")
    assert "The old one is still in use" in words(admin.get(path))
    stage.sql("UPDATE clients SET previous_secret_used_at = secret_used_at - 1")
    assert "The app uses the new one" in words(admin.get(path))


def test_a_rotation_asks_how_long_the_old_secret_goes_on(admin: Visitor, stage: Stage, oauth: OAuth):
    path = f"/admin/clients/secret?client={oauth.app.client_id}"
    token = admin.token_of(f"/admin/clients/show?client={oauth.app.client_id}")
    assert admin.post(path, {"csrf_token": token, "overlap": "99999999"}).status_code == 422
    assert admin.post(path, {"csrf_token": token, "overlap": "0"}).status_code == 303
    assert oauth.own_token().status_code == 401


def test_a_client_is_disabled_enabled_ended_and_removed(admin: Visitor, stage: Stage, oauth: OAuth, person: Person):
    client_id = oauth.app.client_id
    show = f"/admin/clients/show?client={client_id}"
    assert oauth.sign_in(person).status_code == 200
    assert "Live sessions 1" in words(admin.get(show))
    epoch = client(stage, client_id).epoch
    token = admin.token_of(show)
    for act, told in (
        ("end-sessions", "Everything that"),
        ("disable", "Disabled"),
        ("enable", "Enabled"),
    ):
        answer = admin.post(f"/admin/clients/{act}?client={client_id}", {"csrf_token": token})
        assert answer.status_code == 303, (act, answer.text)
        assert told in words(admin.follow())
    row = client(stage, client_id)
    assert bool(row.enabled)
    assert row.epoch == epoch + 2
    assert admin.post(f"/admin/clients/enable?client={client_id}", {"csrf_token": token}).status_code == 409
    assert admin.post(f"/admin/clients/remove?client={client_id}", {"csrf_token": token}).status_code == 303
    assert admin.get(show).status_code == 404


@pytest.mark.parametrize("act", ["secret", "disable", "end-sessions", "remove"])
def test_a_dangerous_act_asks_for_the_password_after_a_while(admin: Visitor, stage: Stage, oauth: OAuth, act: str):
    client_id = oauth.app.client_id
    token = admin.token_of(f"/admin/clients/show?client={client_id}")
    stage.sql("UPDATE visits SET confirmed_at = confirmed_at - 3600000")
    before = stage.sql("SELECT * FROM clients")
    answer = admin.post(f"/admin/clients/{act}?client={client_id}", {"csrf_token": token, "overlap": "3600"})
    assert answer.status_code == 403
    assert "needs your password again" in words(answer)
    assert stage.sql("SELECT * FROM clients") == before


def test_a_client_with_scopes_of_administration_asks_for_the_password_after_a_while(admin: Visitor, stage: Stage):
    admin.get("/admin/clients/add/service")
    stage.sql("UPDATE visits SET confirmed_at = confirmed_at - 3600000")
    fields = {"name": "Helper", "client_id": "helper"}
    answer = submit(admin, "/admin/clients/add/service", **fields, scopes="authserver:users:read")
    assert "needs your password again" in words(answer)
    assert not stage.sql("SELECT 1 FROM clients")
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
    admin: Visitor, stage: Stage, scopes: set[str], methods: set[str], changes: dict[str, str]
):
    stage.an_app(client_id="shop", scopes=scopes, auth_methods=methods, grants={"password"}, public=methods == {"none"})
    path = "/admin/clients/edit?client=shop"
    stage.sql("UPDATE visits SET confirmed_at = confirmed_at - 3600000")
    before = client(stage, "shop")
    admin.get(path)
    assert "needs your password again" in words(submit(admin, path, **changes))
    assert client(stage, "shop") == before
    stage.sql("UPDATE visits SET confirmed_at = confirmed_at + 3600000")
    admin.get(path)
    assert submit(admin, path, **changes).status_code == 303
    assert client(stage, "shop") != before


@pytest.mark.parametrize("client_id", [".", "..", "~", "a.b_c~d-e"])
def test_a_client_of_an_odd_id_has_its_page(admin: Visitor, stage: Stage, client_id: str):
    stage.an_app(client_id=client_id, name="Odd")
    page = admin.get("/admin/clients")
    assert f"client={client_id}" in page.text
    assert "Odd" in words(admin.get(f"/admin/clients/show?client={client_id}"))
    assert admin.get("/admin/clients/show?client=nobody").status_code == 404
    assert admin.get("/admin/clients/show").status_code == 404


# --- the code that is pasted -----------------------------------------------------------------------------------------


def run(code: str, language: str, **environment: str) -> str:
    """Run pasted code as a developer does; returns what it prints."""
    command = [sys.executable, "-c", code] if language == "python" else ["bash", "-ec", code]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, (code, done.stderr)
    return done.stdout


def exported(code: str) -> str:
    """The lines of a shell, without those that a developer fills in."""
    return "\n".join(line for line in code.splitlines() if not line.startswith("export "))


def test_the_code_of_a_registered_client_really_signs_in(live: LiveServer, stage: Stage, person: Person):
    administrator = an_administrator(stage)
    with httpx.Client(base_url=live.url, timeout=60) as http:
        admin = Visitor(http, live.url)
        admin.sign_in(administrator)
        grants = ["refresh_token", "password", "client_credentials"]
        assert register(admin, "web", name="Shop", client_id="shop", scopes=["read"], grants=grants).status_code == 303
        codes = codes_of(admin.follow())
    environment = {
        "CLIENT_SECRET": codes["client-secret"],
        "APP_USER": person.username,
        "APP_PASSWORD": person.password,
    }
    for name in ("httpx", "authlib"):
        assert "signed in, for 900 seconds" in run(codes[f"code-{name}"], "python", **environment)
    assert "signed out" in run(codes["code-httpx"], "python", **environment)
    for name in ("httpx-own", "authlib-own"):
        assert "token for 900 seconds" in run(codes[f"code-{name}"], "python", **environment)
    if shutil.which("curl"):
        signed_in = run(exported(codes["code-curl"]).partition("# When")[0], "bash", **environment)
        assert '"refresh_token"' in signed_in
        assert '"access_token"' in run(exported(codes["code-curl-own"]), "bash", **environment)


def test_a_browsers_code_holds_no_secret(admin: Visitor):
    grants = ["refresh_token", "password"]
    assert register(admin, "browser", name="Page", client_id="page", scopes="read", grants=grants).status_code == 303
    codes = codes_of(admin.follow())
    assert 'const CLIENT_ID = "page";' in codes["code-javascript"]
    assert not [code for code in codes.values() if "SECRET" in code]
