"""The first administrator: by command, by link and in `make run`; no default password anywhere."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from flask import Flask

from authserver.administration import users
from authserver.administration.context import Administration
from authserver.app import create_app
from authserver.database.engine import open_database
from authserver.demo import __main__ as demo
from authserver.settings.model import Settings
from authserver.settings.values import PasswordSettings
from tests.support.oauth import Person
from tests.support.server import LiveServer
from tests.support.setup import Setup
from tests.support.visitor import Visitor

NEW = "a wholly new password"


def run(setup: Setup, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return LiveServer(setup, port=8000).run(*arguments, given=given)


def use(visitor: Visitor, url: str) -> int:
    path = urlsplit(url).path
    visitor.get(path)
    return visitor.submit(path, {"new_password": NEW, "repeated_password": NEW}).status_code


def test_an_administrator_begins_with_a_link(setup: Setup, visitor: Visitor):
    done = run(setup, "admin", "create", "root", "--email", "root@example.com", "--link")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("http://127.0.0.1:8000/account/password/")
    assert len(done.stdout.splitlines()) == 1, "the link alone, so that it can be piped"
    assert use(visitor, done.stdout.strip()) == 303
    assert visitor.sign_in(Person("", "root", NEW), next="/admin/").headers["location"] == "/admin/"
    (row,) = setup.sql("SELECT roles FROM users")
    assert row.roles == "administrator"


def test_an_administrator_begins_with_a_password_from_standard_input(setup: Setup, visitor: Visitor):
    done = run(setup, "admin", "create", "root", "--password-stdin", given=f"{NEW}\n")
    assert done.returncode == 0, done.stderr
    assert "http://127.0.0.1:8000/admin/" in done.stdout
    assert NEW not in done.stdout
    assert visitor.sign_in(Person("", "root", NEW)).status_code == 303


def test_nobody_becomes_an_administrator_twice_or_without_a_password(setup: Setup):
    assert run(setup, "admin", "create", "root", "--password-stdin").returncode == 1
    assert run(setup, "admin", "create", "root", "--password-stdin", "--link", given=f"{NEW}\n").returncode == 2
    assert setup.sql("SELECT id FROM users") == []
    assert run(setup, "admin", "create", "root", "--password-stdin", given=f"{NEW}\n").returncode == 0
    again = run(setup, "admin", "create", "Root", "--link")
    assert again.returncode == 1
    assert "is taken" in again.stderr


def test_a_command_prints_a_link_for_any_user(setup: Setup, visitor: Visitor, person: Person):
    done = run(setup, "users", "password-link", person.username, "--json")
    printed = json.loads(done.stdout)
    assert printed["username"] == person.username
    assert use(visitor, printed["url"]) == 303
    assert visitor.sign_in(Person("", person.username, NEW)).status_code == 303
    assert run(setup, "users", "password-link", "nobody").returncode == 1
    added = run(setup, "users", "add", "bea", "--link")
    assert use(visitor, added.stdout.strip()) == 303
    assert visitor.sign_in(Person("", "bea", NEW)).status_code == 303


def test_a_first_start_makes_the_administrator_and_prints_a_link(setup: Setup):
    assert "authserver admin create NAME --link" in _said_at_start(setup), "it shows the command instead of a link"
    assert setup.sql("SELECT id FROM users") == []
    first = _said_at_start(setup, "--first-administrator", "root")
    second = _said_at_start(setup, "--first-administrator", "root")
    links = [re.findall(r"http://\S+/account/password/[\w-]{43}", said) for said in (first, second)]
    assert [len(found) for found in links] == [1, 1], "it stands on standard output, and not in the log"
    assert links[0] != links[1], "the first link is unused, and the operator may have lost it"
    (row,) = setup.sql("SELECT username, roles, password_hash FROM users")
    assert tuple(row) == ("root", "administrator", None)
    admin = Administration(setup.database, setup.settings, "cli:tester")
    users.set_password(admin, "root", NEW)
    later = _said_at_start(setup, "--first-administrator", "root")
    assert "/account/password/" not in later
    assert "no administrator" not in later


def _said_at_start(setup: Setup, *arguments: str) -> str:
    """What the server prints, its log with it, from the start to the end."""
    server = LiveServer(setup, workers=1)
    server.start(*arguments)
    server.stop()
    return server.log.read_text()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cheap = PasswordSettings(argon2_memory_kib=8, argon2_time_cost=1)
    return Settings(data_dir=tmp_path / "data", key_dir=tmp_path / "keys", passwords=cheap)


def test_a_first_start_prints_a_link_and_later_ones_until_it_is_used(settings: Settings):
    first, second = demo.prepare(settings), demo.prepare(settings)
    assert first is not None
    assert second is not None
    assert second.url in demo.lines_to_try(settings, second, has_example=False)
    assert "http://127.0.0.1:8000/admin/" in demo.lines_to_try(settings, None, has_example=False)
    app = create_app(settings)
    with httpx.Client(transport=httpx.WSGITransport(app), base_url=settings.issuer) as http:
        visitor = Visitor(http, settings.issuer)
        for guess in ("", "admin", demo.PASSWORD):
            assert visitor.sign_in(Person("", demo.ADMINISTRATOR, guess)).status_code == 403
        assert visitor.get(urlsplit(first.url).path).status_code == 410, "the newer link counts"
        assert use(visitor, second.url) == 303
        assert visitor.sign_in(Person("", demo.ADMINISTRATOR, NEW)).status_code == 303
    app.extensions["authserver"].database.dispose()
    assert demo.prepare(settings) is None


def test_a_demo_leaves_administrators_that_it_finds(settings: Settings):
    demo.prepare(settings)
    database = open_database(Flask("test"), settings)
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE users SET username = 'chief', username_key = 'chief' WHERE username = 'admin'"
        )
    assert demo.prepare(settings) is None
    with database.transaction() as connection:
        names = connection.exec_driver_sql("SELECT username FROM users ORDER BY username").scalars().all()
    database.dispose()
    assert names == ["chief", "demo"]
