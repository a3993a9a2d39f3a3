"""Whole stories of administrators in the console, on a live server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from authserver_resource import VerificationError, Verifier
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.driving import PageDriver, fill_in, sign_in
from tests.support.oauth import App, OAuth, Person
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import API, make_setup

NewContext = Callable[..., BrowserContext]
NewApp = Callable[..., OAuth]
OLGA = Person("", "olga", "seven grey herons at noon")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[LiveServer]:
    """A fresh server without an API, a client or a user."""
    setup = make_setup("sqlite", tmp_path)
    server = ForkedServer(setup).start()
    yield server
    server.stop()
    setup.close()


def test_a_first_administrator_makes_an_app_work(fresh: LiveServer, new_context: NewContext) -> None:
    context = new_context(permissions=["clipboard-read", "clipboard-write"])
    driver = PageDriver(context.new_page(), fresh.url)

    _the_first_administrator_sets_a_password_by_link(fresh, driver.page)
    driver.open("/admin/")
    fill_in(driver.page, OLGA)
    driver.heading("Overview")
    driver.sees("What to do first")

    driver.section("APIs")
    driver.follow("Register an API")
    driver.fill(
        Audience="https://orders.example.com", Name="Orders", Scopes_and_their_roles="orders:read\norders:write"
    )
    driver.press("Register")
    driver.sees("https://orders.example.com")

    driver.section("Clients")
    driver.follow("Register a client")
    driver.follow("Web app")
    driver.fill(Name="Shop")
    driver.page.get_by_label("orders:read", exact=True).check()
    driver.page.get_by_label("The app takes the user's name and password itself").check()
    driver.press("Register")
    driver.heading("The secret of Shop")
    secret = driver.copied("Copy the secret")
    code = {title: driver.code(title) for title in ("curl", "Python with httpx")}
    driver.page.reload()
    assert secret not in driver.page.content()

    karim = fresh.setup.a_person(username="karim")
    given = {"CLIENT_SECRET": secret, "APP_USER": karim.username, "APP_PASSWORD": karim.password}
    said = _run_python(code["Python with httpx"], given)
    assert "signed in" in said
    assert "refreshed" in said
    assert "signed out" in said
    assert "orders:read" in said
    assert '"refresh_token"' in _run_shell(code["curl"], given)


@pytest.fixture
def admin(server: LiveServer, new_context: NewContext) -> PageDriver:
    """An administrator in the console."""
    context = new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    sign_in(page, server.url, server.setup.a_person(roles="administrator"), to="/admin/")
    return PageDriver(page, server.url)


@pytest.fixture
def new_app(server: LiveServer) -> Iterator[NewApp]:
    """Registers an app that speaks to the server."""
    with server.http() as http:
        yield lambda **changes: OAuth(http, server.setup.an_app(**changes))


@pytest.fixture
def person(server: LiveServer) -> Person:
    return server.setup.a_person()


def test_a_secret_is_rotated_while_it_is_in_use(admin: PageDriver, person: Person, new_app: NewApp) -> None:
    before = new_app(name="Till")
    assert before.sign_in(person).status_code == 200

    admin.open(f"/admin/clients/show?client={before.app.client_id}")
    admin.page.get_by_label("The old secret goes on").select_option(label="for a day")
    admin.press_and_confirm("Make a new secret")
    after = before.as_app(App(before.app.client_id, admin.copied("Copy the secret")))

    admin.follow("On to the client")
    admin.sees("The old secret works too")
    admin.sees("The new one was not used yet")
    assert before.sign_in(person).status_code == 200
    assert after.sign_in(person).status_code == 200
    admin.sees_at_last("The app uses the new one")
    assert str(after.app.secret) not in admin.page.content()


def test_a_stolen_token_is_found_and_explained(admin: PageDriver, person: Person, new_app: NewApp) -> None:
    victim = new_app(name="Shop for phones", public=True, retry_window=0)
    stolen = victim.sign_in(person, device_name="A phone").json()["refresh_token"]
    kept = victim.refresh(victim.refresh(stolen).json()["refresh_token"]).json()["refresh_token"]
    refused = victim.refresh(stolen).json()
    assert refused["error"] == "invalid_grant"

    admin.section("Audit")
    admin.page.get_by_label("What", exact=True).select_option("session.reuse")
    admin.fill(Of_the_client=victim.app.client_id)
    admin.press("Find")
    rows = admin.page.get_by_role("main").get_by_role("row")
    expect(rows).to_have_count(2)  # the head, and the one event
    admin.section("Why?")
    admin.page.get_by_label("The reference of a refusal, or all of the error").fill(refused["reference"])
    admin.press("Say why")
    admin.sees("A superseded refresh token came back outside the retry rules")
    admin.sees(victim.app.client_id)
    admin.sees(person.username)
    admin.follow("Events of this session")
    expect(
        admin.page.get_by_role("main").get_by_role("row", name=re.compile("had been used before")).first
    ).to_be_visible()
    # The server cannot know which of the two is the thief. The victim signs in again.
    assert victim.refresh(kept).json()["error"] == "invalid_grant"


def test_an_api_refuses_the_session_that_an_administrator_ended(
    server: LiveServer, admin: PageDriver, person: Person, new_app: NewApp
) -> None:
    oauth = new_app()
    token = oauth.sign_in(person, device_name="Lost laptop").json()["access_token"]
    other = oauth.sign_in(person, device_name="Kept laptop").json()["access_token"]
    verifier = Verifier(issuer=server.url, audience=API)
    assert verifier.verify(token, scopes="read").subject == person.id
    verifier.verify(other)

    admin.section("Sessions")
    admin.fill(Of_the_user=person.username)
    admin.press("Find")
    row = admin.page.get_by_role("row", name=re.compile("Lost laptop"))
    row.get_by_role("link").first.click()
    admin.press_and_confirm("End the session")
    admin.page.get_by_role("status").first.wait_for()

    assert _refusal_at_last(verifier, token) == "revoked"
    verifier.verify(other)


def test_a_forgotten_password_is_set_by_a_link(
    server: LiveServer, admin: PageDriver, person: Person, new_app: NewApp, new_context: NewContext
) -> None:
    oauth = new_app()
    refresh_token = oauth.sign_in(person).json()["refresh_token"]

    admin.section("Users")
    admin.open(f"/admin/users/{person.id}")
    admin.press_and_confirm("Link to set a password")
    link = admin.copied("Copy the link")

    page = new_context("phone").new_page()
    page.goto(link)
    _set_password(page, "four quiet lamps")
    page.get_by_text("Your password is set.").first.wait_for()
    assert oauth.refresh(refresh_token).json()["error"] == "invalid_grant"
    assert oauth.sign_in(person).json()["error"] == "invalid_grant"
    renewed = replace(person, password="four quiet lamps")
    assert oauth.sign_in(renewed).status_code == 200
    sign_in(page, server.url, renewed)
    page.goto(link)
    assert page.get_by_label("New password", exact=True).count() == 0, "a link works once"


def test_users_look_after_their_own_accounts(
    server: LiveServer, person: Person, new_app: NewApp, new_context: NewContext
) -> None:
    oauth = new_app(name="Shop")
    tokens = [oauth.sign_in(person, device_name=name).json()["refresh_token"] for name in ("Old phone", "Laptop")]
    here, there = (PageDriver(new_context(look).new_page(), server.url) for look in ("phone", "light"))
    sign_in(there.page, server.url, person)
    sign_in(here.page, server.url, person)

    here.page.get_by_role("button", name=re.compile("End the session of Shop on Old phone")).click()
    expect(here.page.get_by_role("main").get_by_text("Old phone", exact=True)).to_have_count(0)
    assert oauth.refresh(tokens[0]).json()["error"] == "invalid_grant"
    current = oauth.refresh(tokens[1]).json()["refresh_token"]

    here.page.get_by_role("link", name="Password", exact=True).click()
    here.page.get_by_label("Present password").fill(person.password)
    here.page.get_by_label("New password", exact=True).fill("nine slow rivers")
    here.page.get_by_label("New password again").fill("nine slow rivers")
    here.press("Change password")
    here.page.get_by_role("status").first.wait_for()
    assert oauth.refresh(current).json()["error"] == "invalid_grant"
    there.page.goto(server.url + "/account/")
    expect(there.page.get_by_role("heading", level=1)).to_have_text("Sign in")

    here.page.get_by_role("link", name="Your data", exact=True).click()
    with here.page.expect_download() as download:
        here.press("Download your data (JSON)")
    data = download.value.path().read_text()
    assert json.loads(data)
    assert "Old phone" in data
    assert person.username in data
    assert "$argon2" not in data


def test_the_second_of_two_administrators_is_told_what_the_first_changed(
    server: LiveServer, admin: PageDriver, new_context: NewContext
) -> None:
    client = server.setup.an_app(name="Till").client_id
    second = PageDriver(new_context().new_page(), server.url)
    sign_in(second.page, server.url, server.setup.a_person(roles="administrator"), to="/admin/")
    for driver in (admin, second):
        driver.open(f"/admin/clients/edit?client={client}")

    admin.fill(Name="Till, ground floor")
    admin.press("Save")
    admin.heading("Till, ground floor")
    second.fill(Contacts="tills@example.com")
    second.press("Save")
    second.sees("What was changed meanwhile")
    second.sees("Till, ground floor")
    second.press("Save")
    second.heading("Till, ground floor")
    second.page.get_by_text("All settings").click()
    second.sees("tills@example.com")


def _the_first_administrator_sets_a_password_by_link(server: LiveServer, page: Page) -> None:
    made = server.run("admin", "create", OLGA.username, "--link")
    assert made.returncode == 0, made.stderr
    page.goto(made.stdout.strip())
    _set_password(page, OLGA.password)
    page.get_by_text("Your password is set. Sign in with it.").wait_for()


def _set_password(page: Page, password: str) -> None:
    page.get_by_label("New password", exact=True).fill(password)
    page.get_by_label("New password again").fill(password)
    page.get_by_role("button", name="Set password").click()


def _refusal_at_last(verifier: Verifier, token: str) -> str:
    """The code with which the API refuses the token, after the API has read the new status list."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            verifier.verify(token)
        except VerificationError as error:
            return str(error.code)
        time.sleep(0.1)
    raise AssertionError("the API still takes the token")


def _run_python(code: str, given: dict[str, str]) -> str:
    """Run a snippet unchanged, like a developer who pastes it."""
    return _run([sys.executable, "-c", code], given)


def _run_shell(code: str, given: dict[str, str]) -> str:
    """Run the first command of a snippet, with the exported values replaced."""
    commands = "".join(line for line in code.splitlines(keepends=True) if not line.startswith("export "))
    return _run(["bash", "-ec", commands.strip().split("\n\n")[0]], given)


def _run(command: list[str], given: dict[str, str]) -> str:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("AUTHSERVER_", "PYTHON"))}
    done = subprocess.run(command, env={**plain, **given}, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
