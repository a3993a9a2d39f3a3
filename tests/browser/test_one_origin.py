"""Page, API and server on one origin: tokens in cookies, which browsers also send for sibling hosts, and an issuer with a path."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext

from tests.support.app_user import PATIENCE_MS, SIBLING_HOST, AppUser, a_page_of
from tests.support.console import an_administrator
from tests.support.driving import sign_in
from tests.support.setup import make_setup
from tests.support.site import CLIENT, Site, open_site

_ASK = """([url, method, mode, name]) => fetch(url, {
    method, mode, credentials: "include", body: name && JSON.stringify({ display_name: name }),
}).then(answer => answer.status || answer.type, () => "unreadable")"""


@pytest.fixture
def one_origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    setup = make_setup("sqlite", tmp_path_factory.mktemp("one-origin"))
    with open_site(setup, one_origin=True) as opened:
        yield opened
    setup.close()


def test_no_sibling_host_reads_or_writes_with_the_cookies_of_the_one_origin(
    one_origin: Site, visitors_browser: BrowserContext
):
    site = one_origin
    visitors_browser.set_default_timeout(PATIENCE_MS)
    app_user = AppUser(site, CLIENT, site.setup.a_person(), site.open(visitors_browser))
    app_user.sign_in(app_user.person)
    attacker = a_page_of(site, visitors_browser, SIBLING_HOST)
    profile, sessions = f"{site.api}/profile", f"{site.issuer}/sessions?client_id={CLIENT}"
    before = app_user.state()

    assert app_user.page.evaluate(_ASK, [profile, "POST", "cors", "mine"]) == 200
    assert attacker.evaluate(_ASK, [profile, "POST", "cors", "theirs"]) == "unreadable"
    assert attacker.evaluate(_ASK, [profile, "POST", "no-cors", "theirs"]) == "opaque"
    for tried in [one for one in site.proxy.exchanges if one.path == "/api/profile"][-2:]:
        # The browser sent the token, and the library refused the origin.
        assert f"authserver-at-{CLIENT}=" in tried.headers["cookie"]
        assert tried.status == 403
    name = "async url => (await (await auth.fetch(url)).json()).display_name"
    assert app_user.page.evaluate(name, profile) == "mine"

    assert attacker.evaluate(_ASK, [profile, "GET", "cors", None]) == "unreadable"
    assert attacker.evaluate(_ASK, [sessions, "GET", "cors", None]) == "unreadable"
    assert attacker.evaluate(_ASK, [sessions + "&all=true", "DELETE", "cors", None]) == "unreadable"
    assert app_user.send(attacker, "/token", {"grant_type": "refresh_token"}) == "unreadable"
    assert app_user.send(attacker, "/revoke", {}) == "unreadable"
    assert app_user.state() == before

    # The app's own page can do all of it without holding a token.
    assert [one["current"] for one in app_user.page.evaluate("auth.sessions.list()")] == [True]
    assert app_user.send(app_user.page, "/token", {"grant_type": "refresh_token"}) == 200
    app_user.page.evaluate("auth.signOut({ everywhere: true })")
    assert app_user.cookies() == {}
    assert all(row.revoked_at is not None for row in app_user.state()[1:])


def test_the_pages_work_below_the_path_of_the_issuer(one_origin: Site, visitors_browser: BrowserContext):
    site = one_origin
    visitors_browser.set_default_timeout(PATIENCE_MS)
    page = visitors_browser.new_page()
    broken: list[str] = []
    page.on("response", lambda answer: broken.append(answer.url) if answer.status >= 400 else None)
    page.on("console", lambda message: broken.append(message.text) if message.type == "error" else None)
    sign_in(page, site.issuer, an_administrator(site.setup), to="/admin/clients")
    # The search asks for the list with htmx, and writes what it asked into the address.
    page.get_by_label("Name or client ID contains").fill(CLIENT)
    page.wait_for_url(re.compile(rf"{re.escape(site.issuer)}/admin/clients/?\?q={CLIENT}"))
    page.get_by_role("link", name="Your account").click()
    page.wait_for_url(f"{site.issuer}/account/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{site.issuer}/account/sign-in")
    assert broken == []
