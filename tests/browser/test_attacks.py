"""Attacks on people who are signed in, from other pages and by stored text, in a real Chromium."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from flask import Flask
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.chromium import FOREIGN_HOST
from tests.support.driving import sign_in
from tests.support.every_page import EveryPage, page_routes
from tests.support.oauth import Person
from tests.support.server import LiveServer
from tests.support.watched_page import WatchedPage

NewContext = Callable[..., BrowserContext]

#: Each sets `stolen` if a page treats it as markup or script, in an element, an attribute or an address.
PAYLOAD = "\"'><img src=x data-xss onerror=window.stolen=1><script>window.stolen=1</script>{{7*7}}"


@pytest.fixture
def administrator(server: LiveServer) -> Person:
    return server.setup.a_person(roles="administrator")


@pytest.fixture
def signed_in(server: LiveServer, administrator: Person, new_context: NewContext) -> BrowserContext:
    """A browser of an administrator who is signed in."""
    context = new_context()
    sign_in(context.new_page(), server.url, administrator, to="/admin/")
    return context


@contextmanager
def _elsewhere(page: str) -> Iterator[int]:
    """A foreign server with one page; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _form(action: str, fields: dict[str, str]) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )
    return f'<form method="post" action="{html.escape(action)}">{hidden}<button>Win a prize</button></form>'


#: Another site, and another port of the same one: cookies do not tell ports apart, so SameSite stops only the first.
ATTACKERS = [FOREIGN_HOST, "127.0.0.1"]


@pytest.mark.parametrize("host", ATTACKERS)
def test_no_form_of_another_origin_acts_for_an_administrator(
    server: LiveServer, signed_in: BrowserContext, host: str
) -> None:
    client = server.setup.an_app(name="Shop").client_id
    page = signed_in.new_page()
    # The same form from our own page works, and shows the fields that an attacker would have to know.
    page.goto(f"{server.url}/admin/clients/show?client={client}")
    form = page.locator("form", has=page.get_by_role("button", name="Disable"))
    action = form.evaluate("form => form.action")
    fields = form.evaluate("form => Object.fromEntries(new FormData(form))")
    for guess in ({}, fields):
        # The origin is wrong even with the token of the victim's own form, which no attacker can read.
        with _elsewhere(_form(action, guess)) as port:
            page.goto(f"http://{host}:{port}/")
            page.get_by_role("button", name="Win a prize").click()
            page.wait_for_url(server.url + "/**")
        assert _is_enabled(server, client)
    page.goto(f"{server.url}/admin/clients/show?client={client}")
    page.get_by_role("main").get_by_role("button", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(page.get_by_text("disabled", exact=True).first).to_be_visible()
    assert not _is_enabled(server, client)


@pytest.mark.parametrize("host", ATTACKERS)
def test_no_post_of_another_origin_reaches_any_form_of_the_pages(
    server: LiveServer, signed_in: BrowserContext, host: str
) -> None:
    """All routes that change something, with the cookies that the browser sends by itself."""
    before = _everything(server)
    page = signed_in.new_page()
    with _elsewhere("<p>Nice.</p>") as port:
        page.goto(f"http://{host}:{port}/")
        for address in _acts(page_routes(server.setup.settings), server.url):
            page.evaluate(
                """address => fetch(address, {method: "POST", mode: "no-cors", credentials: "include",
                    body: new URLSearchParams({client: "app", name: "mine", login: "mine"})}).catch(() => "the answer is not to be read")""",
                address,
            )
    assert _everything(server) == before
    page.goto(server.url + "/admin/")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@pytest.mark.parametrize("host", ATTACKERS)
@pytest.mark.parametrize("path", ["/admin/", "/account/", "/account/sign-in"])
def test_no_page_can_be_framed(server: LiveServer, signed_in: BrowserContext, host: str, path: str) -> None:
    page = signed_in.new_page()
    page.goto(server.url + path)
    assert page.locator("h1").count() == 1
    refusals: list[str] = []
    page.on("console", lambda message: refusals.append(message.text))
    with _elsewhere(f'<iframe src="{server.url}{path}"></iframe>') as port:
        page.goto(f"http://{host}:{port}/")
    assert any("frame-ancestors" in one or "X-Frame-Options" in one for one in refusals), refusals
    assert not page.frames[1].url.startswith(server.url)


def test_no_text_that_somebody_stored_becomes_markup(
    server: LiveServer, signed_in: BrowserContext, administrator: Person
) -> None:
    setup = server.setup
    scope = "orders:read"
    setup.an_api("https://orders.example.com", scope)
    setup.sql("UPDATE apis SET name = :name WHERE audience = 'https://orders.example.com'", name=PAYLOAD)
    app = setup.an_app(name=PAYLOAD, contacts=frozenset({"a@example.com"}), scopes={"read", scope})
    with server.http() as http:
        headers = {"User-Agent": PAYLOAD[:190]}
        auth = app.basic
        form = {"grant_type": "password", "scope": "read", "device_name": PAYLOAD[:100]}
        someone = {"username": administrator.username, "password": administrator.password}
        assert http.post("/token", data={**form, **someone}, headers={**headers, **auth}).status_code == 200
        assert http.post(
            "/token", data={**form, "username": PAYLOAD, "password": "x" * 9}, headers={**headers, **auth}
        ).is_error
    setup.sql("UPDATE users SET email = :email WHERE username = :name", email=PAYLOAD, name=administrator.username)
    page = signed_in.new_page()
    watched = WatchedPage(page)
    shown: list[str] = []
    faults: dict[str, list[str]] = {}

    def look(page: Page, address: str) -> None:
        found = watched.complaints()
        if page.evaluate("() => window.stolen || document.querySelector('[data-xss]')"):
            found.append("the text became markup")
        if "data-xss" in page.content():
            shown.append(address)
        if found:
            faults[address] = found

    every = EveryPage(page_routes(setup.settings), server.url)
    every.visit(page, [f"/admin/clients/show?client={app.client_id}", "/admin/", "/account/"], look)
    assert faults == {}
    # Otherwise the test proves nothing: a client's name stands in its list, on its page and in its form.
    assert len(shown) >= 3, every.pages


def test_the_address_itself_becomes_no_markup(server: LiveServer, signed_in: BrowserContext) -> None:
    page = signed_in.new_page()
    watched = WatchedPage(page)
    page.goto(server.url + "/admin/clients")
    assert watched.complaints() == []
    for path in (
        "/admin/clients?q=",
        "/admin/overview?span=",
        "/account/sign-in?next=javascript:",
        "/admin/clients/show?client=",
    ):
        page.goto(server.url + path + PAYLOAD.replace("#", "%23"))
        assert page.evaluate("() => window.stolen || document.querySelector('[data-xss]')") is None, path
        page.goto(server.url + "/admin/clients")
        watched.complaints()


def _is_enabled(server: LiveServer, client_id: str) -> bool:
    ((enabled,),) = server.setup.sql("SELECT enabled FROM clients WHERE client_id = :id", id=client_id)
    return bool(enabled)


def _everything(server: LiveServer) -> list[object]:
    """The rows that an act could change."""
    tables = ("clients", "users", "apis", "scopes", "sessions", "password_links", "signing_keys", "token_keys")
    known = {name for (name,) in server.setup.sql("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return [(name, server.setup.sql(f"SELECT * FROM {name} ORDER BY 1")) for name in tables if name in known]


def _acts(app: Flask, url: str) -> list[str]:
    """An address for every route of the pages that takes a form."""
    every = EveryPage(app, url)
    return [url + address for address in every.acts({"kind": "web", "key_id": "1"})]
