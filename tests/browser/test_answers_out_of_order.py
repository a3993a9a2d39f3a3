"""Answers of sign-in, refresh and sign-out overtake each other, and no page ever acts for the wrong user."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.support.app_user import AppUser, an_app_user
from tests.support.oauth import Person
from tests.support.site import API, Site
from tests.support.tls_proxy import Exchange

_PATIENCE = 60
_NO_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"


@dataclass
class HeldAnswer:
    """Holds the next answer of one kind until it is opened."""

    arrived: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)


class AnswerHolder:
    """Holds answers between server and pages."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._held: dict[str, HeldAnswer] = {}
        self._refuse = threading.Semaphore(0)
        site.proxy.on_answer = self._after

    def hold(self, kind: str) -> HeldAnswer:
        """Hold the next answer to `password`, `refresh_token` or `/revoke`; the server has acted by then."""
        answer = self._held[kind] = HeldAnswer()
        return answer

    def refuse_a_token(self) -> None:
        """Let the API answer 401 once, so that the page refreshes."""
        self._refuse.release()

    def release_all(self) -> None:
        for answer in self._held.values():
            answer.opened.set()

    def _after(self, exchange: Exchange) -> bool:
        if exchange.host == API and "authorization" in exchange.headers and self._refuse.acquire(blocking=False):
            exchange.status = 401
        answer = self._held.get(exchange.form.get("grant_type", exchange.path)) if exchange.method == "POST" else None
        if answer is not None and not answer.arrived.is_set():
            answer.arrived.set()
            answer.opened.wait(_PATIENCE)
        return True


@pytest.fixture
def holder(site: Site) -> Iterator[AnswerHolder]:
    made = AnswerHolder(site)
    yield made
    made.release_all()
    site.proxy.on_answer = lambda _: True


@pytest.fixture
def app_user(site: Site, visitors_browser: BrowserContext) -> AppUser:
    """In a browser with Web Locks."""
    return an_app_user(site, visitors_browser)


@pytest.fixture
def without_locks(site: Site, visitors_browser: BrowserContext) -> AppUser:
    """In a browser without Web Locks: its tabs may ask at the same time."""
    visitors_browser.add_init_script(_NO_LOCKS)
    return an_app_user(site, visitors_browser)


def test_a_sign_out_waits_for_the_refresh_under_way_and_has_the_last_word(
    site: Site, holder: AnswerHolder, app_user: AppUser
):
    second = site.open(app_user.page.context, app_user.client_id)
    refresh = _refresh_held(holder, app_user)
    second.evaluate("() => { window.leaving = auth.signOut() }")
    app_user.page.wait_for_function("auth.session.status === 'signed-out'")
    assert not app_user.answers("/revoke")
    refresh.opened.set()
    second.evaluate("leaving")
    assert app_user.page.evaluate("outcome") == "signed_out"
    assert app_user.cookies() == {}
    assert _all_ended(app_user)


def test_a_sign_in_waits_for_the_refresh_under_way(site: Site, holder: AnswerHolder, app_user: AppUser):
    second = site.open(app_user.page.context, app_user.client_id)
    someone_else = site.setup.a_person()
    signed_in = len(site.proxy.seen("password"))
    refresh = _refresh_held(holder, app_user)
    _sign_in(second, someone_else)
    assert len(site.proxy.seen("password")) == signed_in
    refresh.opened.set()
    second.evaluate("entering")
    app_user.page.wait_for_function("auth.session.status === 'signed-in'")
    _everybody_is(site, app_user, second, someone_else)


def test_without_locks_a_refresh_that_comes_after_the_sign_out_brings_nobody_back(
    site: Site, holder: AnswerHolder, without_locks: AppUser
):
    app_user = without_locks
    second = site.open(app_user.page.context, app_user.client_id)
    refresh = _refresh_held(holder, app_user)
    second.evaluate("auth.signOut()")
    assert app_user.cookies() == {}
    refresh.opened.set()
    assert app_user.page.evaluate("outcome") == "signed_out"
    # The late answer put a cookie back, whose session has ended.
    assert app_user.cookies() != {}
    assert _all_ended(app_user)
    third = site.open(app_user.page.context, app_user.client_id)
    for page in (app_user.page, second, third):
        assert page.evaluate("auth.session.status") == "signed-out"


def test_without_locks_a_refresh_that_comes_after_somebody_elses_sign_in_mixes_nobody_up(
    site: Site, holder: AnswerHolder, without_locks: AppUser
):
    app_user = without_locks
    second = site.open(app_user.page.context, app_user.client_id)
    someone_else = site.setup.a_person()
    app_user.page.evaluate("() => { events.length = 0 }")
    refresh = _refresh_held(holder, app_user)
    _sign_in(second, someone_else)
    second.evaluate("entering")
    app_user.page.wait_for_function("events.at(-1) === 'signed-in'")
    refresh.opened.set()
    # The request of the first user is not repeated for the second.
    assert app_user.page.evaluate("outcome") == "session_changed"
    # The cookie is the first user's again, the pages show the second. The first one's session has ended.
    holder.refuse_a_token()
    assert second.evaluate("api => auth.fetch(`${api}/profile`).catch(error => error.code)", site.api) == "signed_out"
    third = site.open(app_user.page.context, app_user.client_id)
    assert third.evaluate("auth.session.status") == "signed-out"
    _sign_in(third, someone_else)
    third.evaluate("entering")
    _everybody_is(site, app_user, third, someone_else)


def test_without_locks_the_sign_in_that_is_answered_last_counts_in_every_tab(
    site: Site, holder: AnswerHolder, without_locks: AppUser
):
    app_user = without_locks
    second = site.open(app_user.page.context, app_user.client_id)
    early, late = site.setup.a_person(), site.setup.a_person()
    answer = holder.hold("password")
    _sign_in(app_user.page, late)
    assert answer.arrived.wait(_PATIENCE)
    _sign_in(second, early)
    second.evaluate("entering")
    answer.opened.set()
    app_user.page.evaluate("entering")
    _everybody_is(site, app_user, second, late)


def test_without_locks_a_sign_out_that_is_answered_late_leaves_nobody_signed_in_as_the_first(
    site: Site, holder: AnswerHolder, without_locks: AppUser
):
    app_user = without_locks
    second = site.open(app_user.page.context, app_user.client_id)
    answer = holder.hold("/revoke")
    app_user.page.evaluate("() => { window.leaving = auth.signOut() }")
    assert answer.arrived.wait(_PATIENCE)
    someone_else = site.setup.a_person()
    _sign_in(second, someone_else)
    second.evaluate("entering")
    assert _all_ended(app_user, besides=someone_else)
    answer.opened.set()
    app_user.page.evaluate("leaving")
    second.wait_for_function("auth.session.status === 'signed-out'")
    assert app_user.cookies() == {}


def _refresh_held(holder: AnswerHolder, app_user: AppUser) -> HeldAnswer:
    """Let the user's page need a refresh, and hold its answer. The result of the page's request is in `outcome`."""
    answer = holder.hold("refresh_token")
    holder.refuse_a_token()
    app_user.page.evaluate(
        """api => {
            window.outcome = auth.fetch(`${api}/profile`).then(response => response.status, error => error.code);
        }""",
        app_user.site.api,
    )
    assert answer.arrived.wait(_PATIENCE)
    return answer


def _sign_in(page: Page, person: Person) -> None:
    """Start a sign-in; it is done when `entering` is."""
    page.evaluate(
        "([username, password]) => { window.entering = auth.signIn({ username, password }).then(() => {}) }",
        [person.username, person.password],
    )


def _everybody_is(site: Site, app_user: AppUser, second: Page, person: Person) -> None:
    """The API sees this user in each tab, with the present tokens and after the next refresh."""
    for page in (app_user.page, second):
        tab = AppUser(site, app_user.client_id, person, page)
        page.wait_for_function("auth.session.status === 'signed-in'")
        assert tab.subject() == person.id
    assert app_user.send(second, "/token", {"grant_type": "refresh_token"}) == 200
    third = site.open(second.context, app_user.client_id)
    assert AppUser(site, app_user.client_id, person, third).subject() == person.id


def _all_ended(app_user: AppUser, besides: Person | None = None) -> bool:
    _, *rows = app_user.state()
    return all(
        row.revoked_at is not None
        for row in rows
        if besides is None or str(row.user_id).replace("-", "") != besides.id.replace("-", "")
    )
