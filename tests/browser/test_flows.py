"""The four documented ways to stay signed in, in a real Chromium, against live servers on hosts of one site."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.support.oauth import Person, claims
from tests.support.server import ROOT
from tests.support.setup import make_setup
from tests.support.site import CLIENT, Site, open_site
from tests.support.tls_proxy import Exchange

#: The life of access tokens in seconds: long enough for a slow machine to use one, short enough to wait for.
LIFETIME = 6
#: The code of a page without the module: docs/browsers.md, "Ten minutes".
_BY_HAND = """() => {
    window.send = async (url, fields) => {
        const answer = await fetch(url, { method: "POST", body: new URLSearchParams(fields), credentials: "include" });
        return { status: answer.status, ...JSON.parse(await answer.text() || "{}") };
    };
    window.profile = async (url, token) => {
        const answer = await fetch(url + "/profile", { headers: token ? { Authorization: "Bearer " + token } : {} });
        return { status: answer.status, ...await answer.json() };
    };
}"""


@pytest.fixture
def one_origin(tmp_path: Path) -> Iterator[Site]:
    """Page, API and server behind one origin, with both tokens in cookies."""
    setup = make_setup("sqlite", tmp_path)
    with open_site(setup, one_origin=True, client={"access_token_lifetime": LIFETIME, "retry_window": 0}) as opened:
        yield opened
    setup.close()


def test_flow_a_both_tokens_are_cookies_that_no_script_reads_and_the_server_checks_before_it_renews_them(
    one_origin: Site, visitors_browser: BrowserContext
):
    site, person = one_origin, one_origin.setup.a_person()
    page = _by_hand(site, visitors_browser)
    signed_in = _token(page, site, grant_type="password", username=person.username, password=person.password)
    assert signed_in.keys() == {"status", "token_type", "expires_in", "scope", "refresh_token_expires_in"}
    assert _profile(page, site)["sub"] == person.id
    assert page.evaluate("document.cookie") == ""
    before = _cookies(visitors_browser)
    assert len(before) == 2
    assert {(one["httpOnly"], one["secure"], one["sameSite"]) for one in before.values()} == {(True, True, "Strict")}
    assert _wait_until_refused(page, site)["error"] == "invalid_token"
    assert _token(page, site, grant_type="refresh_token")["status"] == 200
    assert _profile(page, site)["sub"] == person.id
    after = _cookies(visitors_browser)
    assert after.keys() == before.keys()
    assert not {one["value"] for one in after.values()} & {one["value"] for one in before.values()}

    # The server checks that it made the token, that the session has not expired, and that the digest is the stored one.
    def forged() -> None:
        cookie = _cookies(visitors_browser)[f"__Host-authserver-rt-{CLIENT}"]
        value = cookie["value"][:-4] + ("AAAA" if cookie["value"][-4:] != "AAAA" else "BBBB")
        kept = {name: cookie[name] for name in ("name", "secure", "httpOnly", "sameSite", "expires")}
        visitors_browser.add_cookies([{**kept, "value": value, "url": site.app}])

    def expired() -> None:
        site.setup.sql("UPDATE sessions SET idle_expires_at = 1 WHERE user_id = :id", id=UUID(person.id))

    def another_digest() -> None:
        site.setup.sql("UPDATE sessions SET current_digest = previous_digest WHERE user_id = :id", id=UUID(person.id))

    for spoil in (forged, expired, another_digest):
        assert _token(page, site, grant_type="password", username=person.username, password=person.password)
        assert _token(page, site, grant_type="refresh_token")["status"] == 200
        spoil()
        assert _token(page, site, grant_type="refresh_token")["error"] == "invalid_grant", spoil.__name__


def test_flow_b_the_page_repeats_a_refused_request_after_a_silent_refresh_that_rotates_the_cookie(
    site: Site, visitors_browser: BrowserContext
):
    person, client_id = site.setup.a_person(), site.a_client(retry_window=0)
    page = site.open(visitors_browser, client_id)
    _sign_in(page, person)
    (first,) = _cookies(visitors_browser).values()
    assert first["name"] == f"__Host-authserver-rt-{client_id}"
    assert (first["httpOnly"], first["secure"], first["sameSite"], first["path"]) == (True, True, "Strict", "/")
    assert first["domain"] == "auth.shop.test"
    values, sent = [first["value"]], []

    def refuse_once(exchange: Exchange) -> bool:
        """Refuse a good token, as an API does whose clock is ahead."""
        if exchange.path == "/profile" and exchange.method == "PUT":
            sent.append((exchange.body, exchange.headers["authorization"]))
            if len(sent) % 2:
                exchange.status = 401
        return True

    site.proxy.on_answer = refuse_once
    for name in ("Ada", "Grace"):
        answer = page.evaluate(
            """async ([api, display_name]) => {
                const body = JSON.stringify({ display_name });
                const headers = { "Content-Type": "application/json" };
                return (await auth.fetch(api + "/profile", { method: "PUT", headers, body })).json();
            }""",
            [site.api, name],
        )
        assert answer == {"sub": person.id, "display_name": name}
        (cookie,) = _cookies(visitors_browser).values()
        values.append(cookie["value"])
    site.proxy.on_answer = lambda _: True
    assert len(set(values)) == 3, "each refresh rotates"
    assert [body for body, _ in sent] == [b'{"display_name":"Ada"}'] * 2 + [b'{"display_name":"Grace"}'] * 2
    assert len({token for _, token in sent}) == 3, "the next request uses the access token of the repetition"
    assert page.evaluate("events") == ["signed-out", "signed-in", "refreshed", "refreshed"]


@pytest.mark.parametrize("form", ["jwt", "opaque"])
def test_flow_c_a_sign_in_by_email_calls_profile_is_refused_after_expiry_refreshes_and_goes_on(
    site: Site, visitors_browser: BrowserContext, form: str
):
    person = site.setup.a_person(email="ada@example.com" if form == "jwt" else "grace@example.com")
    client_id = site.a_client(access_token_lifetime=LIFETIME, access_token_format=form)
    page = _by_hand(site, visitors_browser)
    signed_in = _token(page, site, client_id, grant_type="password", username=person.email, password=person.password)
    token = signed_in["access_token"]
    assert (token.count(".") == 2) == (form == "jwt")
    assert signed_in["token_type"] == "Bearer"
    assert _profile(page, site, token) == {"status": 200, "sub": person.id, "display_name": None}
    refused = _wait_until_refused(page, site, token)
    assert refused["error"] == "invalid_token"
    refreshed = _token(page, site, client_id, grant_type="refresh_token")
    assert refreshed["access_token"] != token
    assert _profile(page, site, refreshed["access_token"])["sub"] == person.id
    page.evaluate(
        """async ([url, body]) => { try {
            await fetch(url, { method: "POST", body, headers: { "Content-Type": "application/json" } });
        } catch { /* Without a client that it can read the server answers no page in particular. */ } }""",
        [f"{site.issuer}/token", json.dumps({"client_id": client_id, "grant_type": "password"})],
    )
    json_request = site.proxy.exchanges[-1]
    assert (json_request.method, json_request.status) == ("POST", 400)
    assert json.loads(json_request.answer)["error"] == "invalid_request"


def test_flow_d_a_mobile_app_keeps_both_tokens_in_its_own_storage_and_refreshes_silently(site: Site, tmp_path: Path):
    person = site.setup.a_person()
    # Authlib refreshes in the last minute of a token. These tokens live so short that it refreshes at each call.
    app = site.setup.an_app(public=True, access_token_lifetime=30, retry_window=120, late_retries=1)
    storage = tmp_path / "app" / "tokens.json"

    def run(*command: str, given: str = "") -> subprocess.CompletedProcess[str]:
        base = f"https://127.0.0.1:{site.proxy.port}"
        options = ["--issuer", base, "--api", base, "--client-id", app.client_id, "--storage", str(storage)]
        return subprocess.run(
            [sys.executable, str(ROOT / "examples" / "mobile" / "app.py"), *options, *command],
            input=given,
            env={**os.environ, "REQUESTS_CA_BUNDLE": str(site.proxy.certificate), "NO_PROXY": "*"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    assert run("sign-in", person.username, given="wrong\n").returncode == 1
    assert not storage.exists()
    assert run("sign-in", person.username, given=person.password + "\n").stdout == "Signed in.\n"
    assert stat.S_IMODE(storage.stat().st_mode) == 0o600
    assert stat.S_IMODE(storage.parent.stat().st_mode) == 0o700
    first = json.loads(storage.read_text())
    lost: list[Exchange] = []

    def lose_one_refresh(exchange: Exchange) -> bool:
        if exchange.is_a("refresh_token") and not lost:
            lost.append(exchange)
            return False
        return True

    def note_storage(exchange: Exchange) -> bool:
        if exchange.path == "/profile":
            stored = json.loads(storage.read_text())["access_token"]
            assert exchange.headers["authorization"] == f"Bearer {stored}", "stored before it is used"
            used.append(stored)
        return True

    used: list[str] = []
    site.proxy.on_answer, site.proxy.on_request = lose_one_refresh, note_storage
    shown = run("profile", "--name", "Ada")
    assert json.loads(shown.stdout) == {"sub": person.id, "display_name": "Ada"}, shown.stderr
    assert json.loads(run("profile").stdout)["display_name"] == "Ada"
    site.proxy.on_answer = site.proxy.on_request = lambda _: True
    assert len(lost) == 1
    assert len({first["access_token"], *used}) == 3
    now = json.loads(storage.read_text())
    assert now["refresh_token"] != first["refresh_token"]
    session_id = claims(now["access_token"])["sid"]

    assert run("sign-out").stdout == "Signed out.\n"
    assert not storage.exists()
    assert site.setup.session(session_id).revoked_because == "signed_out"
    assert "Sign in first" in run("profile").stderr


def _by_hand(site: Site, context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto(f"{site.app}/blank")
    page.evaluate(_BY_HAND)
    return page


def _token(page: Page, site: Site, client_id: str = CLIENT, **fields: Any) -> dict[str, Any]:
    """The token endpoint's answer to the page."""
    answer: dict[str, Any] = page.evaluate(
        "([url, fields]) => send(url, fields)", [f"{site.issuer}/token", {"client_id": client_id, **fields}]
    )
    return answer


def _profile(page: Page, site: Site, token: str | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = page.evaluate("([url, token]) => profile(url, token)", [site.api, token])
    return answer


def _wait_until_refused(page: Page, site: Site, token: str | None = None) -> dict[str, Any]:
    """Wait until the API refuses the access token as expired."""
    refused: dict[str, Any] = page.evaluate(
        """async ([url, token]) => {
            for (let left = 240; left; left--) {
                const answer = await profile(url, token);
                if (answer.status === 401) return answer;
                await new Promise((resolve) => setTimeout(resolve, 250));
            }
            throw new Error("the access token never expired");
        }""",
        [site.api, token],
    )
    return refused


def _sign_in(page: Page, person: Person) -> None:
    page.evaluate("([username, password]) => auth.signIn({ username, password })", [person.username, person.password])


def _cookies(context: BrowserContext) -> dict[str, Any]:
    """All cookies of the browser by name, HttpOnly cookies included."""
    return {str(cookie["name"]): cookie for cookie in context.cookies()}
