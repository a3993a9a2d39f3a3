"""The console registers clients: safe values by kind, a secret that is shown once, and code to paste."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Any
from uuid import UUID

import httpx
import pytest
from flask import Flask

from tests.support.client_pages import client, filled, register, submit, words
from tests.support.console import Elements, an_administrator, browser
from tests.support.forms import codes_of
from tests.support.oauth import App, OAuth, Person
from tests.support.server import LiveServer
from tests.support.setup import Setup
from tests.support.visitor import Visitor


@pytest.fixture
def admin(console: Visitor) -> Visitor:
    """An administrator who has just signed in."""
    return console


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
    admin: Visitor, setup: Setup, kind: str, methods: str, grants: str, late_retries: int
):
    answer = register(admin, kind, name="Shop", client_id="shop", scopes=["read", "write"])
    assert answer.status_code == 303, answer.text
    row, has_secret = client(setup, "shop"), methods != "none"
    assert (row.name, row.kind, row.scopes) == ("Shop", kind, "read write")
    assert (row.auth_methods, row.grants, row.late_retries) == (methods, grants, late_retries)
    assert (row.secret_digest is not None) is has_secret
    assert answer.headers["location"] == f"/admin/clients/{'secret' if has_secret else 'show'}?client=shop"
    assert "Registered Shop." in words(admin.follow())
    (event,) = setup.events("client.added")
    (person,) = setup.sql("SELECT id FROM users")
    assert event.actor == f"user:{UUID(str(person.id))}"


def test_a_secret_is_shown_once_and_works(admin: Visitor, setup: Setup, oauth: OAuth):
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


def test_a_secret_in_its_cookie_is_sealed_and_for_this_visit_and_client_alone(admin: Visitor, setup: Setup, app: Flask):
    answer = register(admin, "service", name="Billing", client_id="billing", scopes="read")
    cookie = answer.cookies["authserver-handover"]
    setup.an_app(client_id="other")
    assert "ascs_" not in cookie
    assert "is not shown again" in words(admin.get("/admin/clients/secret?client=other"))
    with browser(setup, app) as stranger:
        stranger.sign_in(an_administrator(setup))
        stranger.http.cookies.set("authserver-handover", cookie)
        assert "is not shown again" in words(stranger.get("/admin/clients/secret?client=billing"))
    admin.http.cookies.set("authserver-handover", cookie)
    assert "Keep it now" in words(admin.get("/admin/clients/secret?client=billing"))


def test_the_same_form_sent_twice_registers_one_client(admin: Visitor, setup: Setup):
    admin.get("/admin/clients/add/web")
    form = {**filled(admin, "/admin/clients/add/web"), "name": "Shop", "scopes": "read"}
    assert admin.post("/admin/clients/add/web", form).status_code == 303
    answer = admin.post("/admin/clients/add/web", form)
    assert answer.status_code == 422
    assert "is taken" in words(answer)
    assert len(setup.sql("SELECT 1 FROM clients")) == 1


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
        ("redirect_uris", "http://shop.example.com/back", "http outside of loopback"),
        ("contacts", "nobody", "is no e-mail address"),
        ("auth_methods", ["none", "client_secret_basic"], "none stands alone"),
        ("default_api", "https://nowhere.example.com", "there is no API"),
        ("default_scopes", "write", "is not among the client's scopes"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_is_lost(
    admin: Visitor, setup: Setup, field: str, value: Any, text: str
):
    good = {"name": "Shop", "client_id": "shop", "scopes": "read", "contacts": "team@example.com"}
    answer = register(admin, "web", **{**good, field: value})
    assert answer.status_code == 422, answer.text
    read = Elements(answer.text)
    assert text.lower() in read.words.lower()
    assert f'id="{field}-error"' in answer.text
    assert "authserver apis" not in read.words, "only the command line can do that"
    assert not setup.sql("SELECT 1 FROM clients")
    if field not in ("name", "contacts"):
        assert filled(admin, "/admin/clients/add/web")["contacts"] == "team@example.com"
    mended = {field: None, **good, "auth_methods": "client_secret_basic"}
    assert submit(admin, "/admin/clients/add/web", **mended).status_code == 303


def test_the_password_grant_is_for_own_apps_and_warned_about(admin: Visitor, setup: Setup):
    grants = ["refresh_token", "password"]
    answer = register(admin, "web", name="Partner", client_id="p", scopes="read", grants=grants, first_party=None)
    assert answer.status_code == 422
    assert "first-party apps only" in words(answer)
    assert register(admin, "web", name="Own", client_id="own", scopes="read", grants=grants).status_code == 303
    page = admin.get("/admin/clients/show?client=own")
    assert "the password grant shows users' passwords to the app" in words(page).lower()


def test_fields_that_the_form_does_not_have_set_nothing(admin: Visitor, setup: Setup):
    more = {"secret_digest": "x", "enabled": "", "epoch": "7", "status_index": "1", "kind": "service", "removed_at": "1",
            "created_at": "1", "previous_secret_digest": "x"}  # fmt: skip
    assert register(admin, "web", name="Shop", client_id="shop", scopes="read", **more).status_code == 303
    row = client(setup, "shop")
    assert (row.kind, bool(row.enabled), row.epoch, row.removed_at) == ("web", True, 1, None)
    assert row.previous_secret_digest is None
    assert row.created_at > 1_000_000


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


def test_the_code_of_a_registered_client_really_signs_in(live: LiveServer, setup: Setup, person: Person):
    administrator = an_administrator(setup)
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
