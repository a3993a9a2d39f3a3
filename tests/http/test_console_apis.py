"""The console's pages of APIs: register, edit scopes and role bindings, remove, and show which clients have a scope."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

import pytest
from flask import Flask

from authserver.administration import apis as use_cases
from authserver.administration.context import Administration
from authserver.apis.administration import AUDIENCE, SCOPES
from authserver.apis.registration import BUILT_IN
from authserver.console.apis import written
from tests.support.console import Elements, an_administrator, browser
from tests.support.databases import on_both_databases
from tests.support.forms import codes_of, filled
from tests.support.oauth import OAuth
from tests.support.server import ROOT, LiveServer
from tests.support.setup import API, Setup
from tests.support.visitor import Visitor

NEW = "https://orders.example.com/v1"
EDIT = f"/admin/apis/edit?audience={API}"


@pytest.fixture
def admin(setup: Setup, app: Flask) -> Iterator[Visitor]:
    """An administrator who has just signed in."""
    with browser(setup, app) as visitor:
        assert visitor.sign_in(an_administrator(setup)).status_code == 303
        yield visitor


def scopes(setup: Setup, audience: str) -> dict[str, str]:
    rows = setup.sql("SELECT scope, roles FROM scopes WHERE audience = :audience ORDER BY scope", audience=audience)
    return {row.scope: row.roles for row in rows}


def send(admin: Visitor, path: str, **fields: Any) -> Any:
    """Open a form and send it with some fields filled in."""
    admin.get(path)
    assert admin.page is not None
    return admin.post(path, {**filled(admin.page, path.partition("?")[0]), **fields})


def test_an_api_is_registered_with_its_scopes_and_roles(admin: Visitor, setup: Setup):
    text = "orders:read\r\norders:write: staff manager\r\n\r\n  orders:admin:  boss"
    answer = send(admin, "/admin/apis/add", audience=NEW, name="Orders", scopes=text)
    assert answer.status_code == 303, answer.text
    assert scopes(setup, NEW) == {"orders:admin": "boss", "orders:read": "", "orders:write": "manager staff"}
    page = admin.follow()
    assert "Registered Orders." in Elements(page.text).words
    assert "manager or staff" in page.text
    assert setup.events("api.added")[-1].actor.startswith("user:")


def test_what_the_form_shows_of_scopes_is_read_as_the_same(admin: Visitor, setup: Setup):
    odd = {"a": frozenset(), "b:": frozenset({"x"}), ":c": frozenset({"y", "z"}), "d:e:": frozenset({"a:b"})}
    plan = use_cases.Plan(NEW, "Odd", None, {name: frozenset(roles) for name, roles in odd.items()})
    use_cases.add(Administration(setup.database, setup.settings, "cli:test"), plan)
    before = scopes(setup, NEW)
    answer = send(admin, f"/admin/apis/edit?audience={NEW}", name="Still odd")
    assert answer.status_code == 303, answer.text
    assert scopes(setup, NEW) == before
    assert written(plan.scopes).splitlines()[1] == "b:: x"


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("audience", "not a uri", "must be an absolute URI"),
        ("audience", API, "there is an API"),
        ("name", "", "must be 1 to 100 printable characters"),
        ("scopes", "authserver:mine", "is reserved for administration"),
        ("scopes", "read", "belongs to"),
        ("scopes", "good: b@d", "letters, digits"),
        ("client_id", "nobody", "there is no client"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_lost(admin: Visitor, setup: Setup, field: str, value: str, text: str):
    good = {"audience": NEW, "name": "Orders", "scopes": "orders", "client_id": ""}
    answer = send(admin, "/admin/apis/add", **{**good, field: value})
    assert answer.status_code == 422
    assert text.lower() in Elements(answer.text).words.lower()
    kept = filled(answer, "/admin/apis/add")
    other = "name" if field != "name" else "scopes"
    assert "".join(kept[other]).strip() == good[other]
    assert not setup.sql("SELECT 1 FROM apis WHERE audience = :new", new=NEW)
    assert send(admin, "/admin/apis/add", **good).status_code == 303


def test_an_edit_keeps_a_format_that_a_newer_version_wrote(admin: Visitor, setup: Setup):
    setup.sql("UPDATE apis SET access_token_format = 'newer' WHERE audience = :audience", audience=API)
    assert "newer: this version of the server does not know it" in admin.get(EDIT).text
    assert send(admin, EDIT, name="Same API").status_code == 303
    query = "SELECT name, access_token_format FROM apis WHERE audience = :audience"
    assert [tuple(row) for row in setup.sql(query, audience=API)] == [("Same API", "newer")]
    assert send(admin, EDIT, access_token_format="other").status_code == 422
    assert send(admin, EDIT, access_token_format="opaque").status_code == 303
    assert "newer" not in admin.get(EDIT).text


@on_both_databases
def test_two_who_edit_an_api_at_once_lose_nothing_without_being_told(admin: Visitor, setup: Setup, app: Flask):
    with browser(setup, app) as other:
        other.sign_in(an_administrator(setup))
        page = admin.get(EDIT)
        mine = {**filled(page, "/admin/apis/edit"), "scopes": "read\nwrite\nmine"}
        assert send(other, EDIT, scopes="read\nwrite\ntheirs").status_code == 303
        answer = admin.post(EDIT, mine)
    assert answer.status_code == 412
    assert list(scopes(setup, API)) == ["read", "theirs", "write"], "nothing was saved"
    told = Elements(answer.text).words
    assert "Somebody else changed this API" in told
    assert "theirs" in told
    again = filled(answer, "/admin/apis/edit")
    assert "mine" in again["scopes"], "the fields keep what was typed"
    assert admin.post(EDIT, {**again, "scopes": "read\nwrite\nmine\ntheirs"}).status_code == 303
    assert list(scopes(setup, API)) == ["mine", "read", "theirs", "write"]


def test_fields_that_the_form_does_not_have_set_nothing(admin: Visitor, setup: Setup):
    more = {"audience": NEW, "narrowed_at": "1", "swept_at": "1", "created_at": "1"}
    assert send(admin, EDIT, name="Same API", **more).status_code == 303
    (row,) = setup.sql("SELECT * FROM apis WHERE audience = :audience", audience=API)
    assert (row.name, row.narrowed_at, row.swept_at) == ("Same API", None, None)
    assert row.created_at > 1
    assert not setup.sql("SELECT 1 FROM apis WHERE audience = :audience", audience=NEW)


def test_the_servers_own_api_changes_its_roles_and_nothing_else(admin: Visitor, setup: Setup):
    path = f"/admin/apis/edit?audience={AUDIENCE}"
    page = admin.get(path)
    text = filled(page, "/admin/apis/edit")["scopes"]
    wider = text.replace("authserver:users:read: administrator", "authserver:users:read: administrator helpdesk")
    assert wider != text
    assert send(admin, path, scopes=wider).status_code == 303
    assert scopes(setup, AUDIENCE)["authserver:users:read"] == "administrator helpdesk"
    assert send(admin, path, scopes=wider + "\nauthserver:more: administrator").status_code == 422
    assert send(admin, path, scopes=wider.replace(": administrator helpdesk", "")).status_code == 422, (
        "a scope of administration needs a role"
    )
    assert set(scopes(setup, AUDIENCE)) == set(SCOPES)
    shown = admin.get(f"/admin/apis/show?audience={AUDIENCE}")
    assert "administrator or helpdesk" in shown.text
    token = admin.token_of("/admin/apis")
    assert admin.post(f"/admin/apis/remove?audience={AUDIENCE}", {"csrf_token": token}).status_code == 409


def test_who_may_administer_is_changed_only_with_the_password(admin: Visitor, setup: Setup):
    path = f"/admin/apis/edit?audience={AUDIENCE}"
    form = filled(admin.get(path), "/admin/apis/edit")
    setup.sql("UPDATE visits SET confirmed_at = confirmed_at - 3600000")
    before = scopes(setup, AUDIENCE)
    answer = admin.post(path, {**form, "scopes": form["scopes"].replace("administrator", "everybody")})
    assert answer.status_code == 403
    assert "needs your password again" in Elements(answer.text).words
    assert scopes(setup, AUDIENCE) == before


@on_both_databases
def test_an_api_shows_which_clients_hold_its_scopes(admin: Visitor, setup: Setup, app: Flask):
    setup.an_app(client_id="reader", scopes={"read"})
    path = f"/admin/apis/show?audience={API}"
    assert "client=reader" in admin.get(path).text
    with browser(setup, app) as other:
        other.sign_in(an_administrator(setup, frozenset({"authserver:apis:read"})))
        page = other.get(path)
        assert page.status_code == 200
        assert "reader" not in page.text, "clients are shown to administrators who may read them"


def test_the_servers_own_apis_are_none_of_ones_own_and_stay(admin: Visitor, setup: Setup):
    first = "You have not registered an API yet"
    assert first not in admin.get("/admin/apis").text
    setup.sql("DELETE FROM apis WHERE audience = :audience", audience=API)
    page = admin.get("/admin/apis")
    assert first in page.text
    assert page.text.count("built in") == len(BUILT_IN)
    assert "Register the API first" in Elements(admin.get("/admin/clients/add").text).words
    for audience in sorted(BUILT_IN):
        shown = admin.get(f"/admin/apis/show?audience={audience}")
        assert "Dangerous acts" not in shown.text
        assert "This is the server&#39;s own API" in shown.text or "This is the server's own API" in shown.text
        token = admin.token_of("/admin/apis")
        assert admin.post(f"/admin/apis/remove?audience={audience}", {"csrf_token": token}).status_code == 409


def test_an_api_is_removed(setup: Setup, quick_app: Flask):
    setup.an_api(NEW, "orders")
    with browser(setup, quick_app) as admin:
        admin.sign_in(an_administrator(setup))
        token = admin.token_of("/admin/apis")
        assert admin.post(f"/admin/apis/remove?audience={NEW}", {"csrf_token": token}).status_code == 303
        assert admin.get(f"/admin/apis/show?audience={NEW}").status_code == 404
    assert not setup.sql("SELECT 1 FROM scopes WHERE audience = :audience", audience=NEW)


def test_the_code_of_an_api_is_python_and_names_it(admin: Visitor, setup: Setup):
    codes = codes_of(admin.get(f"/admin/apis/show?audience={API}"))
    for name in ("code-flask", "code-python"):
        assert isinstance(compile(codes[name], name, "exec"), CodeType)
        assert repr(API) in codes[name]
    assert setup.settings.issuer in codes["code-other"]


def test_the_code_of_an_api_verifies_its_tokens(live: LiveServer, setup: Setup):
    with live.http() as http:
        admin = Visitor(http, live.url)
        admin.sign_in(an_administrator(setup))
        code = codes_of(admin.get(f"/admin/apis/show?audience={API}"))["code-python"]
        client = setup.an_app()
        token = OAuth(http, client).own_token(scope="read").json()["access_token"]
    command = [sys.executable, "-c", code + "\nimport sys\nprint(who_calls(sys.argv[1]))\n", token]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "sdk" / "python")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, client.client_id), done.stderr
