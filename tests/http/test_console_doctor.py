"""The console's doctor and settings: findings with a remedy and a link, and settings with masked secrets."""

from __future__ import annotations

import pytest
from flask import Flask
from pydantic import SecretStr

from authserver.administration.doctor import CHECKS
from authserver.administration.doctor.settings import CHECKS as OF_SETTINGS
from authserver.settings.values import MetricsSettings
from tests.support.console import Elements, an_administrator
from tests.support.server import ROOT
from tests.support.setup import Setup
from tests.support.visitor import Visitor


def test_findings_stand_with_reason_command_and_a_link(console: Visitor, setup: Setup):
    setup.an_app(client_id="shop")
    page = console.get("/admin/doctor")
    assert page.status_code == 200
    found = Elements(page.text)
    assert "RFC 9700 section 2.4" in found.words
    assert "authserver clients edit --remove-grant password shop" in found.words
    assert "below OWASP's minima" in found.words
    link = next(value for value in found.values if value.startswith("/admin/clients/show?client=shop"))
    assert console.get(link).status_code == 200


def test_every_link_of_a_finding_leads_to_a_page(console: Visitor, setup: Setup):
    setup.an_api("https://b.example.com", "b", {"b": "editor"})
    setup.an_api("https://c.example.com", "")
    setup.a_person(password_hash="$2b$12$" + "a" * 53)
    setup.sql("DELETE FROM keys WHERE kind = 'token' AND state = 'next'")
    links = {value for value in Elements(console.get("/admin/doctor").text).values if value.startswith("/admin/")}
    assert len(links) > 10
    for link in sorted(links):
        assert console.get(link).status_code in (200, 303), link


def test_a_command_with_a_name_of_a_user_in_it_is_text(console: Visitor, setup: Setup):
    setup.a_person(username="<img src=x> $(id)")
    setup.sql("UPDATE users SET password_hash = NULL WHERE username LIKE '<img%'")
    page = console.get("/admin/doctor")
    assert "authserver users set-password '<img src=x> $(id)'" in Elements(page.text).words
    assert "<img" not in page.text


def test_settings_in_force_are_shown_with_secrets_masked(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    secret = "super-secret-metrics-token"
    setup.settings = setup.with_settings(metrics=MetricsSettings(token=SecretStr(secret)))
    visitor: Visitor = request.getfixturevalue("visitor")
    visitor.sign_in(an_administrator(setup))
    page = visitor.get("/admin/settings")
    shown = Elements(page.text).words
    assert secret not in page.text
    assert setup.settings.database_url.render_as_string(hide_password=False) not in page.text
    assert "metrics.token ********" in shown
    assert "tokens.retry_window 30" in shown
    changed = Elements(visitor.get("/admin/settings?changed=1").text).words
    assert "metrics.token" in changed
    assert "tokens.retry_window" not in changed


def test_both_need_the_scope_of_settings(setup: Setup, visitor: Visitor):
    visitor.sign_in(an_administrator(setup, frozenset({"authserver:users:read"})))
    for path in ("/admin/doctor", "/admin/settings"):
        assert visitor.get(path).status_code == 403


def test_the_documents_name_every_check(app: Flask):
    documented = (ROOT / "docs/doctor.md").read_text()
    sources = "".join(path.read_text() for path in (ROOT / "authserver/administration/doctor").glob("*.py"))
    prefixes = ("client", "api", "scope", "users", "key", "node", "database", "counts", "settings")
    named = {
        word for word in documented.split("`") if word.partition(".")[0] in prefixes and "-" in word and " " not in word
    }
    for name in named:
        assert name.partition(".")[2].removeprefix("database-") in sources, name
    assert len(named) >= 20
    assert len(CHECKS) + len(OF_SETTINGS) >= 30
