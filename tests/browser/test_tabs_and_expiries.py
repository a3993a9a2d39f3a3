"""The promise from the page's side: silent expiries, many tabs that wake at once, and no token to steal."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page

from tests.support.oauth import Person
from tests.support.setup import make_setup
from tests.support.site import CLIENT, Site, open_site
from tests.support.tls_proxy import Exchange, TlsProxy

EXPIRIES = 20
TABS = 10
#: Seconds until a test gives up a condition.
PATIENCE = 60

#: Calls the API without a pause, and notes each failure.
_WORK = """([api]) => {
    window.calls = 0;
    window.failures = [];
    (async () => {
        while (!window.enough) {
            try {
                const answer = await auth.fetch(api + "/profile");
                if (!answer.ok) failures.push(answer.status);
            } catch (error) { failures.push(String(error)); }
            calls++;
            await new Promise((resolve) => setTimeout(resolve, 100));
        }
    })();
}"""


@pytest.fixture
def short_lived(tmp_path: Path) -> Iterator[Site]:
    """A site with access tokens of three seconds. Its API allows two seconds more, because a busy machine may stall."""
    setup = make_setup("sqlite", tmp_path)
    with open_site(setup, leeway=2, client={"access_token_lifetime": 3, "retry_window": 0}) as opened:
        yield opened
    setup.close()


@pytest.mark.slow
def test_a_page_works_through_twenty_expiries_and_nothing_that_scripts_can_reach_holds_a_refresh_token(
    short_lived: Site, visitors_browser: BrowserContext
):
    site, person, client_id = short_lived, short_lived.setup.a_person(), CLIENT
    page = site.open(visitors_browser)
    _sign_in(page, person)
    page.evaluate(_WORK, [site.api])
    devtools = visitors_browser.new_cdp_session(page)
    for expired in (1, EXPIRIES // 2, EXPIRIES):
        # The page replaces a token before it expires. A token has expired when its successor has been replaced, too.
        page.wait_for_function(
            "n => events.filter((type) => type === 'refreshed').length > n", arg=expired, timeout=240_000
        )
        refresh_tokens = _refresh_tokens(site.proxy, client_id)
        assert len(refresh_tokens) > expired
        reachable = _stored(visitors_browser) + _heap(devtools)
        assert not [token for token in refresh_tokens if token in reachable]
    assert not [one for one in list(site.proxy.exchanges) if b"asrt_" in one.answer], "scripts can read a body"
    assert page.evaluate("failures") == []
    assert page.evaluate("calls") > EXPIRIES
    # The search works: it finds the page's access tokens and the contents of the storage.
    page.evaluate("token => localStorage.setItem('planted', token)", refresh_tokens[0])
    assert refresh_tokens[0] in _stored(visitors_browser)
    heap = _heap(devtools)
    answers = [json.loads(one.answer) for one in _refreshes(site.proxy, client_id)]
    access_tokens = [answer["access_token"] for answer in answers if "access_token" in answer]
    assert [token for token in access_tokens if token in heap]
    page.evaluate("window.enough = true")


def test_ten_tabs_that_wake_at_once_send_one_refresh_and_all_go_on(site: Site, visitors_browser: BrowserContext):
    client_id, tabs = _ten_tabs(site, visitors_browser)
    before = len(_refreshes(site.proxy, client_id))
    all_are_waiting = threading.Event()

    def hold(exchange: Exchange) -> bool:
        if exchange.is_a("refresh_token"):
            assert all_are_waiting.wait(PATIENCE)
        return True

    site.proxy.on_answer = hold
    _wake(visitors_browser, tabs, site.api)
    all_are_waiting.set()
    assert [_outcome(tab) for tab in tabs] == [200] * TABS
    site.proxy.on_answer = lambda _: True
    assert len(_refreshes(site.proxy, client_id)) == before + 1


def test_without_web_locks_ten_tabs_refresh_at_once_and_nobody_is_signed_out(
    site: Site, visitors_browser: BrowserContext
):
    visitors_browser.add_init_script("Object.defineProperty(navigator, 'locks', { value: undefined });")
    client_id, tabs = _ten_tabs(site, visitors_browser)
    together = threading.Barrier(3)

    def hold(exchange: Exchange) -> bool:
        """Hold three at a time, so that none of them knows of the others."""
        if exchange.is_a("refresh_token") and not together.broken:
            try:
                together.wait(PATIENCE)
            except threading.BrokenBarrierError:
                return True
            together.abort()
        return True

    before = len(_refreshes(site.proxy, client_id))
    site.proxy.on_request = hold
    _wake(visitors_browser, tabs, site.api)
    assert [_outcome(tab) for tab in tabs] == [200] * TABS
    site.proxy.on_request = lambda _: True
    sent = _refreshes(site.proxy, client_id)[before:]
    assert len(sent) >= 3
    assert {one.status for one in sent} == {200}
    # It stays signed in later, because the browser has kept a token of the session.
    _wake(visitors_browser, tabs, site.api)
    assert [_outcome(tab) for tab in tabs] == [200] * TABS
    assert {tab.evaluate("auth.session.status") for tab in tabs} == {"signed-in"}


def _ten_tabs(site: Site, context: BrowserContext) -> tuple[str, list[Page]]:
    """Ten tabs of one user, on a device whose clock the test can put forward."""
    context.clock.install()
    # The window is long, because a slow machine may take more than 30 seconds to open and wake ten tabs.
    person, client_id = site.setup.a_person(), site.a_client(retry_window=120)
    tabs = [site.open(context, client_id)]
    _sign_in(tabs[0], person)
    tabs += [site.open(context, client_id) for _ in range(TABS - 1)]
    assert {tab.evaluate("auth.session.status") for tab in tabs} == {"signed-in"}
    return client_id, tabs


def _wake(context: BrowserContext, tabs: list[Page], api: str) -> None:
    """Wake the device: every access token has expired, every timer is due, and every tab calls the API."""
    for tab in tabs:
        tab.evaluate(
            """api => {
                window.outcome = undefined;
                const asleep = Date.now();
                const poll = setInterval(() => {
                    if (Date.now() - asleep < 60_000) return;
                    clearInterval(poll);
                    auth.fetch(api + "/profile").then(({ status }) => (outcome = status), (error) => (outcome = String(error)));
                    window.asked = true;
                }, 100);
            }""",
            api,
        )
    context.clock.fast_forward("20:00")
    for tab in tabs:
        tab.wait_for_function("() => window.asked", timeout=PATIENCE * 1000)


def _outcome(tab: Page) -> Any:
    tab.wait_for_function("() => window.outcome !== undefined", timeout=PATIENCE * 1000)
    return tab.evaluate("outcome")


def _sign_in(page: Page, person: Person) -> None:
    page.evaluate("([username, password]) => auth.signIn({ username, password })", [person.username, person.password])


def _refreshes(proxy: TlsProxy, client_id: str) -> list[Exchange]:
    """The refreshes of a client with an answer."""
    return [one for one in proxy.seen("refresh_token") if one.form["client_id"] == client_id and one.status]


def _refresh_tokens(proxy: TlsProxy, client_id: str) -> list[str]:
    """Every refresh token that the browser was given."""
    given = [one for one in list(proxy.exchanges) if one.form.get("client_id") == client_id]
    headers = " ".join(value for one in given for name, value in one.answer_headers if name.lower() == "set-cookie")
    found = list(dict.fromkeys(re.findall(r"asrt_[\w-]+", headers)))
    assert found
    return found


def _stored(context: BrowserContext) -> str:
    """Everything in the browser's storage that scripts can read: not the HttpOnly cookies."""
    stored: dict[str, Any] = dict(context.storage_state(indexed_db=True))
    stored["cookies"] = [cookie for cookie in stored["cookies"] if not cookie["httpOnly"]]
    return json.dumps(stored)


def _heap(devtools: CDPSession) -> str:
    """Every string in the memory of the page's scripts, private fields and closures included."""
    chunks: list[str] = []

    def keep(event: dict[str, Any]) -> None:
        chunks.append(event["chunk"])

    devtools.on("HeapProfiler.addHeapSnapshotChunk", keep)
    devtools.send("HeapProfiler.takeHeapSnapshot", {"reportProgress": False})
    devtools.remove_listener("HeapProfiler.addHeapSnapshotChunk", keep)
    return "".join(chunks)
