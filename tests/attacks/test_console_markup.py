"""Every page of the console shows text from outside in every field, and never as markup."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask

from tests.support.console import Elements, an_administrator, browser
from tests.support.oauth import OAuth
from tests.support.setup import API, Setup
from tests.support.visitor import Visitor

#: An attack for each context of HTML: between tags, in a value, a comment, a script and a template.
MARKUP = "'\"><img/src=x/onerror=alert(1)><!--</title></textarea></script>{{11111*11111}}${11111*11111}"
HARMLESS = "harmless"
#: Harmless, and refused wherever the markup is refused.
INVALID = 'harmless\\"'
AUDIENCE = "https://marked.example.com"


@pytest.fixture
def admin(setup: Setup, app: Flask) -> Iterator[Visitor]:
    with browser(setup, app) as visitor:
        assert visitor.sign_in(an_administrator(setup)).status_code == 303
        yield visitor


def pages(app: Flask) -> list[str]:
    """Every page of the console without a part in its path, with the objects that hold the text."""
    query = f"?client=marked&audience={AUDIENCE}"
    found = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint.split(".")[0] == "console" and "GET" in (rule.methods or ()):
            path = rule.rule.replace("<kind>", "web")
            if "<" not in path:
                found.append(path + query)
    return sorted(found)


#: Every column with text from outside, and its greatest length.
COLUMNS = (
    ("clients", "name", 100),
    ("clients", "redirect_uris", 500),
    ("clients", "contacts", 500),
    ("clients", "origins", 255),
    ("clients", "default_scopes", 100),
    ("clients", "default_api", 255),
    ("clients", "scopes", 100),
    ("apis", "name", 100),
    ("scopes", "scope", 100),
    ("scopes", "roles", 100),
    ("sessions", "device_name", 100),
    ("sessions", "last_user_agent", 200),
    ("sessions", "last_address", 45),
    ("audit_events", "actor", 100),
    ("audit_events", "subject", 100),
    ("audit_events", "user_agent", 200),
    ("audit_events", "address", 45),
    ("visits", "user_agent", 200),
    ("visits", "address", 45),
    ("activity", "name", 60),
)
ROWS = {"apis": f"audience = '{AUDIENCE}'", "scopes": f"audience = '{AUDIENCE}'", "clients": "client_id = 'marked'"}


def fill_in(setup: Setup, text: str) -> None:
    """Put a text into every column with text from outside."""
    for table, column, length in COLUMNS:
        value = f"refusal.{text}" if table == "activity" else text
        setup.sql(f"UPDATE {table} SET {column} = :value WHERE {ROWS.get(table, '1 = 1')}", value=value[:length])


def test_no_text_becomes_markup_on_any_page(admin: Visitor, setup: Setup, app: Flask, oauth: OAuth):
    setup.an_api(AUDIENCE, "marked-scope")
    person = setup.a_person()
    oauth = oauth.as_app(setup.an_app(client_id="marked"))
    first = oauth.sign_in(person).json()["refresh_token"]
    assert oauth.refresh("asrt_nonsense").status_code == 400
    assert first
    setup.sql("UPDATE audit_events SET event = 'session.reuse' WHERE event = 'session.opened'")
    app.extensions["authserver"].housekeeping.flush()
    setup.sql("DELETE FROM activity WHERE name <> 'refusal.token_malformed'")

    def looked_at() -> dict[str, Elements]:
        answers = {path: admin.get(path) for path in pages(app)}
        for path, answer in answers.items():
            # A download is saved as a file. No browser shows it as a page.
            is_page = answer.headers["content-type"].startswith("text/html")
            assert is_page or answer.headers["content-disposition"].startswith("attachment"), path
            assert answer.headers["x-content-type-options"] == "nosniff", path
        return {
            path: Elements(answer.text)
            for path, answer in answers.items()
            if answer.headers["content-type"].startswith("text/html")
        }

    fill_in(setup, HARMLESS)
    plain = looked_at()
    assert sum(HARMLESS in page.words for page in plain.values()) >= 5, "the texts are shown somewhere"
    fill_in(setup, MARKUP)
    marked = looked_at()
    for path, page in marked.items():
        assert page.found == plain[path].found, path
        assert "123454321" not in page.words.replace(MARKUP, ""), path
    assert sum(MARKUP in page.words for page in marked.values()) >= 5


@pytest.mark.parametrize(
    "path",
    [
        "/admin/clients?q={}&kind={}&state={}&scope={}",
        "/admin/clients?after={}",
        "/admin/clients/show?client={}",
        "/admin/apis/show?audience={}",
        "/admin/overview?span={}",
    ],
)
def test_no_text_of_an_address_becomes_markup(admin: Visitor, setup: Setup, path: str):
    setup.an_app(public=True, client_id="zzz")
    harmless, marked = (path.replace("{}", quote(text, safe="")) for text in (HARMLESS, MARKUP))
    assert Elements(admin.get(marked).text).found == Elements(admin.get(harmless).text).found


def sent(admin: Visitor, path: str, form: dict[str, Any], text: str) -> Elements:
    """The page that answers a form whose fields all hold the text."""
    token = admin.token_of(path)
    return Elements(admin.post(path, {**dict.fromkeys(form, text), "csrf_token": token}).text)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/admin/clients/add/web", "name client_id scopes grants auth_methods redirect_uris contacts default_scopes"),
        ("/admin/clients/add/web", "access_token_lifetime late_retries refresh_policy default_api name"),
        ("/admin/clients/edit?client=marked", "name redirect_uris contacts version base grants"),
        ("/admin/apis/add", "audience name scopes client format"),
        (f"/admin/apis/edit?audience={API}", "name scopes client version"),
    ],
)
def test_what_a_form_shows_again_is_text(admin: Visitor, setup: Setup, path: str, fields: str):
    setup.an_app(client_id="marked")
    form = dict.fromkeys(fields.split())
    assert sent(admin, path, form, MARKUP).found == sent(admin, path, form, INVALID).found


def test_every_page_has_the_strict_policy_and_no_inline_code(admin: Visitor, setup: Setup, app: Flask):
    setup.an_api(AUDIENCE, "marked-scope")
    setup.an_app(client_id="marked")
    for path in pages(app):
        page = admin.get(path)
        policy = page.headers["content-security-policy"]
        assert "script-src 'self'" in policy, path
        assert "unsafe" not in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert page.headers["cache-control"] == "no-store", path
        for tag, attributes in Elements(page.text).found:
            assert tag != "style", path
            assert not [name for name in attributes if name == "style" or name.startswith("on")], path
            assert tag != "script" or "src" in attributes, path
