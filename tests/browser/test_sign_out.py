"""After a sign-out in one tab the other tabs notice, and the API refuses the access token."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.support.oauth import Person
from tests.support.site import Site

#: Generous: an API with our library learns of the sign-out within the list's `ttl` and two seconds, 10 s in all.
PATIENCE_MS = 60_000
_ASK = """([api, token]) => fetch(`${api}/profile`, { headers: { Authorization: `Bearer ${token}` } }).then(
    response => response.status)"""
_ASK_UNTIL_REFUSED = """async ([api, token]) => {
    const headers = { Authorization: `Bearer ${token}` };
    while ((await fetch(`${api}/profile`, { headers })).status !== 401) {
        await new Promise(resolve => setTimeout(resolve, 100));
    }
    return true;
}"""


@pytest.fixture
def tabs(site: Site, visitors_browser: BrowserContext) -> list[Page]:
    """Three tabs of one browser with the app. The user signed in in one of them."""
    visitors_browser.set_default_timeout(PATIENCE_MS)
    client = site.a_client()
    opened = [site.open(visitors_browser, client) for _ in range(3)]
    person = site.setup.a_person()
    _sign_in(opened[0], person)
    for tab in opened:
        tab.wait_for_function("auth.session.status === 'signed-in'")
    return opened


@pytest.mark.parametrize("everywhere", [False, True], ids=["here", "everywhere"])
def test_a_sign_out_in_one_tab_reaches_the_others_and_the_api(site: Site, tabs: list[Page], everywhere: bool):  # noqa: FBT001
    token = json.loads(site.proxy.seen("password")[-1].answer)["access_token"]
    first, second, third = tabs
    assert [tab.evaluate(_ASK, [site.api, token]) for tab in tabs] == [200] * 3
    second.evaluate("everywhere => auth.signOut({ everywhere })", everywhere)
    for tab in (first, third):
        tab.wait_for_function("events.at(-1) === 'signed-out'")
        assert tab.evaluate("auth.session") == second.evaluate("auth.session")
        assert tab.evaluate("auth.session.reason") == "signed_out"
        refused = tab.evaluate("api => auth.fetch(`${api}/profile`).catch(error => error.code)", site.api)
        assert refused == "signed_out"
    assert _cookies(first) == []
    # A copy of the access token has most of its 15 minutes left.
    assert third.evaluate(_ASK_UNTIL_REFUSED, [site.api, token])


def test_who_signs_in_next_is_signed_in_in_every_tab(site: Site, tabs: list[Page]):
    first, second, third = tabs
    for tab in tabs:
        tab.evaluate("() => { events.length = 0 }")
    second.evaluate("auth.signOut()")
    someone_else = site.setup.a_person()
    _sign_in(third, someone_else)
    for tab in (first, second):
        tab.wait_for_function("events.at(-1) === 'signed-in'")
        subject = tab.evaluate("async api => (await (await auth.fetch(`${api}/profile`)).json()).sub", site.api)
        assert subject == someone_else.id


def test_a_session_that_was_ended_elsewhere_is_over_in_every_tab_at_the_first_refusal(site: Site, tabs: list[Page]):
    first, second, third = tabs
    site.setup.sql("UPDATE sessions SET revoked_at = 1, revoked_because = 'signed_out' WHERE revoked_at IS NULL")
    assert first.evaluate("auth.sessions.list().catch(error => error.code)") == "signed_out"
    for tab in (second, third):
        tab.wait_for_function("events.at(-1) === 'signed-out'")
        assert tab.evaluate("auth.session.reason") == "session_ended"


def _sign_in(page: Page, person: Person) -> None:
    page.evaluate("([username, password]) => auth.signIn({ username, password })", [person.username, person.password])


def _cookies(page: Page) -> list[object]:
    return [cookie for cookie in page.context.cookies() if "authserver-rt-" in cookie["name"]]
