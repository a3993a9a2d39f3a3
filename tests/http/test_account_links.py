"""Links for passwords, and the first administrator: from the command to the sign-in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from authserver.administration import password_links, pruning, users
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, Forbidden
from authserver.administration.password_links import Issued
from authserver.settings.values import PageSettings
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person
from tests.support.setup import Setup
from tests.support.visitor import Visitor

pytestmark = on_both_databases

NEW = "a wholly new password"


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "cli:tester")


def path_of(issued: Issued) -> str:
    return urlsplit(issued.url).path


def use(visitor: Visitor, path: str, password: str = NEW) -> int:
    visitor.get(path)
    return visitor.submit(path, {"new_password": password, "repeated_password": password}).status_code


def test_a_link_sets_the_password_and_ends_everything(
    visitors: Callable[[], Visitor], oauth: OAuth, person: Person, admin: Administration, setup: Setup
):
    token = oauth.sign_in(person).json()["refresh_token"]
    before, visitor = visitors(), visitors()
    before.sign_in(person)
    path = path_of(password_links.issue(admin, person.username))
    assert person.username in visitor.get(path).text
    assert oauth.refresh(token).status_code == 200, "opening the link changes nothing"
    token = oauth.sign_in(person).json()["refresh_token"]

    assert use(visitor, path) == 303
    assert "Your password is set. Sign in with it." in visitor.follow().text
    assert oauth.refresh(token).json()["error"] == "invalid_grant"
    assert before.get("/account/").status_code == 303
    assert oauth.sign_in(person).status_code == 400
    assert visitor.sign_in(Person(person.id, person.username, NEW)).headers["location"] == "/account/"
    (issued,) = setup.events("user.password_link_issued")
    assert issued.actor == "cli:tester"
    (used,) = setup.events("user.password_link_used")
    assert used.actor == f"user:{person.id}"


def test_a_link_works_once(visitor: Visitor, person: Person, admin: Administration):
    path = path_of(password_links.issue(admin, person.username))
    visitor.get(path)
    fields = dict(visitor.form(path).fields) | {"new_password": NEW, "repeated_password": NEW}
    assert visitor.post(path, fields).status_code == 303
    assert (
        visitor.post(path, fields | {"new_password": "another one", "repeated_password": "another one"}).status_code
        == 410
    )
    page = visitor.get(path)
    assert page.status_code == 410
    assert "Ask an administrator for another." in page.text
    assert visitor.sign_in(Person(person.id, person.username, NEW)).status_code == 303


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE password_links SET expires_at = created_at",
        "UPDATE users SET enabled = false",
        "UPDATE users SET password_version = password_version + 1",
    ],
)
def test_a_link_ends_with_time_user_or_password(
    visitor: Visitor, person: Person, admin: Administration, setup: Setup, end: str
):
    path = path_of(password_links.issue(admin, person.username))
    visitor.get(path)
    fields = dict(visitor.form(path).fields) | {"new_password": NEW, "repeated_password": NEW}
    setup.sql(end)
    assert visitor.post(path, fields).status_code == 410
    assert visitor.get(path).status_code == 410
    assert setup.events("user.password_link_used") == []


def test_a_newer_link_ends_the_older_one(visitor: Visitor, person: Person, admin: Administration):
    older = path_of(password_links.issue(admin, person.username))
    newer = path_of(password_links.issue(admin, person.username))
    assert visitor.get(older).status_code == 410
    assert use(visitor, newer) == 303


def test_a_refused_password_does_not_use_the_link_up(visitor: Visitor, person: Person, admin: Administration):
    path = path_of(password_links.issue(admin, person.username))
    assert use(visitor, path, "short") == 422
    visitor.get(path)
    assert visitor.submit(path, {"new_password": NEW, "repeated_password": "another"}).status_code == 422
    assert use(visitor, path) == 303


def test_of_parallel_uses_of_one_link_one_wins(
    visitors: Callable[[], Visitor], person: Person, admin: Administration, setup: Setup
):
    path = path_of(password_links.issue(admin, person.username))
    browsers = [visitors() for _ in range(8)]
    forms = []
    for number, browser in enumerate(browsers):
        browser.get(path)
        word = f"password number {number}"
        forms.append(dict(browser.form(path).fields) | {"new_password": word, "repeated_password": word})
    barrier = threading.Barrier(len(browsers))

    def race(number: int) -> int:
        barrier.wait(60)
        while (status := browsers[number].post(path, forms[number]).status_code) == 503:
            pass  # the queue for hashing is full
        return status

    with ThreadPoolExecutor(len(browsers)) as pool:
        answers = list(pool.map(race, range(len(browsers))))
    assert sorted(answers) == [303] + [410] * 7
    assert len(setup.events("user.password_link_used")) == 1
    winner = answers.index(303)
    signed_in = visitors().sign_in(Person(person.id, person.username, f"password number {winner}"))
    assert signed_in.status_code == 303


def test_a_link_ends_the_visit_of_the_browser_that_opens_it(
    visitor: Visitor, person: Person, admin: Administration, setup: Setup
):
    other = setup.a_person()
    visitor.sign_in(other)
    path = path_of(password_links.issue(admin, person.username))
    visitor.get(path)
    fields = dict(visitor.form(path).fields) | {"new_password": NEW, "repeated_password": NEW}
    assert visitor.post(path, fields).status_code == 303
    assert "authserver" not in visitor.http.cookies
    assert setup.sql("SELECT id FROM visits") == []


def test_the_database_has_no_secret_of_a_link(person: Person, admin: Administration, setup: Setup):
    secret = path_of(password_links.issue(admin, person.username)).rsplit("/", 1)[1]
    assert len(secret) == 43
    assert not secret.startswith("-")
    for table in ("password_links", "audit_events", "users"):
        assert secret not in str(setup.sql(f"SELECT * FROM {table}"))


def test_a_link_begins_with_the_issuer(person: Person, setup: Setup):
    settings = setup.with_settings(issuer="https://id.example.com/auth")
    issued = password_links.issue(Administration(setup.database, settings, "cli:tester"), person.username)
    assert issued.url.startswith("https://id.example.com/auth/account/password/")


def test_a_user_without_a_password_begins_with_a_link(visitor: Visitor, admin: Administration, oauth: OAuth):
    users.add(admin, users.Profile("bea", None, frozenset()), None)
    assert oauth.sign_in(Person("", "bea", "anything at all")).status_code == 400
    assert use(visitor, path_of(password_links.issue(admin, "bea"))) == 303
    assert oauth.sign_in(Person("", "bea", NEW)).status_code == 200


def test_no_link_for_disabled_users_nor_for_users_with_more_authority_nor_without_pages(
    person: Person, admin: Administration, setup: Setup
):
    password_links.issue(admin, person.username)
    administrator = setup.a_person(roles="administrator")
    helper = Administration(
        setup.database, setup.settings, "user:helper", authority=frozenset({"authserver:users:write"})
    )
    password_links.issue(helper, person.username)
    with pytest.raises(Forbidden):
        password_links.issue(helper, administrator.username)
    closed = setup.with_settings(pages=PageSettings(admin=False, account=False))
    with pytest.raises(Conflict):
        password_links.issue(Administration(setup.database, closed, "cli:tester"), person.username)
    users.disable(admin, person.username)
    with pytest.raises(Conflict):
        password_links.issue(admin, person.username)


def test_what_has_expired_is_deleted(
    visitors: Callable[[], Visitor], person: Person, admin: Administration, setup: Setup
):
    password_links.issue(admin, person.username)
    visitors().sign_in(person)
    setup.sql("UPDATE visits SET expires_at = 1")
    setup.sql("UPDATE password_links SET expires_at = 1")
    fresh, other = visitors(), setup.a_person()
    fresh.sign_in(other)
    password_links.issue(admin, other.username)
    list(pruning.prune(admin))
    assert len(setup.sql("SELECT id FROM visits")) == len(setup.sql("SELECT digest FROM password_links")) == 1
    assert fresh.get("/account/").status_code == 200
