"""Answers of sign-in, refresh and sign-out that overtake each other: nobody is ever taken for somebody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.support.front import Exchange
from tests.support.oauth import Person
from tests.support.site import API, Site
from tests.support.victim import Victim, a_victim

_PATIENCE = 60
_NO_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"


@dataclass
class Gate:
    """Holds the next answer of one kind until it is opened."""

    arrived: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)


class Post:
    """Between pages and server."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._gates: dict[str, Gate] = {}
        self._refuse = threading.Semaphore(0)
        site.front.on_answer = self._after

    def hold(self, kind: str) -> Gate:
        """Hold the next answer to `password`, `refresh_token` or `/revoke`; the server has acted by then."""
        gate = self._gates[kind] = Gate()
        return gate

    def refuse_a_token(self) -> None:
        """Let the API answer 401 once, so that the page refreshes."""
        self._refuse.release()

    def release_all(self) -> None:
        for gate in self._gates.values():
            gate.opened.set()

    def _after(self, exchange: Exchange) -> bool:
        if exchange.host == API and "authorization" in exchange.headers and self._refuse.acquire(blocking=False):
            exchange.status = 401
        gate = self._gates.get(exchange.form.get("grant_type", exchange.path)) if exchange.method == "POST" else None
        if gate is not None and not gate.arrived.is_set():
            gate.arrived.set()
            gate.opened.wait(_PATIENCE)
        return True


@pytest.fixture
def post(site: Site) -> Iterator[Post]:
    made = Post(site)
    yield made
    made.release_all()
    site.front.on_answer = lambda _: True


@pytest.fixture
def victim(site: Site, visitors_browser: BrowserContext) -> Victim:
    """In a browser with Web Locks."""
    return a_victim(site, visitors_browser)


@pytest.fixture
def without_locks(site: Site, visitors_browser: BrowserContext) -> Victim:
    """In a browser that has none: nothing keeps its tabs from asking at once."""
    visitors_browser.add_init_script(_NO_LOCKS)
    return a_victim(site, visitors_browser)


def test_a_sign_out_waits_for_the_refresh_under_way_and_has_the_last_word(site: Site, post: Post, victim: Victim):
    second = site.open(victim.page.context, victim.client_id)
    refresh = _refresh_held(post, victim)
    second.evaluate("() => { window.leaving = auth.signOut() }")
    victim.page.wait_for_function("auth.session.status === 'signed-out'")
    assert not victim.answers("/revoke")
    refresh.opened.set()
    second.evaluate("leaving")
    assert victim.page.evaluate("outcome") == "signed_out"
    assert victim.cookies() == {}
    assert _all_ended(victim)


def test_a_sign_in_waits_for_the_refresh_under_way(site: Site, post: Post, victim: Victim):
    second = site.open(victim.page.context, victim.client_id)
    someone_else = site.stage.a_person()
    signed_in = len(site.front.seen("password"))
    refresh = _refresh_held(post, victim)
    _sign_in(second, someone_else)
    assert len(site.front.seen("password")) == signed_in
    refresh.opened.set()
    second.evaluate("entering")
    victim.page.wait_for_function("auth.session.status === 'signed-in'")
    _everybody_is(site, victim, second, someone_else)


def test_without_locks_a_refresh_that_comes_after_the_sign_out_brings_nobody_back(
    site: Site, post: Post, without_locks: Victim
):
    victim = without_locks
    second = site.open(victim.page.context, victim.client_id)
    refresh = _refresh_held(post, victim)
    second.evaluate("auth.signOut()")
    assert victim.cookies() == {}
    refresh.opened.set()
    assert victim.page.evaluate("outcome") == "signed_out"
    # The late answer put a cookie back. It is that of a session that has ended.
    assert victim.cookies() != {}
    assert _all_ended(victim)
    third = site.open(victim.page.context, victim.client_id)
    for page in (victim.page, second, third):
        assert page.evaluate("auth.session.status") == "signed-out"


def test_without_locks_a_refresh_that_comes_after_somebody_elses_sign_in_mixes_nobody_up(
    site: Site, post: Post, without_locks: Victim
):
    victim = without_locks
    second = site.open(victim.page.context, victim.client_id)
    someone_else = site.stage.a_person()
    victim.page.evaluate("() => { events.length = 0 }")
    refresh = _refresh_held(post, victim)
    _sign_in(second, someone_else)
    second.evaluate("entering")
    victim.page.wait_for_function("events.at(-1) === 'signed-in'")
    refresh.opened.set()
    # The request of the one is not repeated as the other's.
    assert victim.page.evaluate("outcome") == "session_changed"
    # The cookie is that of the first again, the pages are those of the second: the first one's session is no more.
    post.refuse_a_token()
    assert second.evaluate("api => auth.fetch(`${api}/profile`).catch(error => error.code)", site.api) == "signed_out"
    third = site.open(victim.page.context, victim.client_id)
    assert third.evaluate("auth.session.status") == "signed-out"
    _sign_in(third, someone_else)
    third.evaluate("entering")
    _everybody_is(site, victim, third, someone_else)


def test_without_locks_the_sign_in_that_is_answered_last_counts_in_every_tab(
    site: Site, post: Post, without_locks: Victim
):
    victim = without_locks
    second = site.open(victim.page.context, victim.client_id)
    early, late = site.stage.a_person(), site.stage.a_person()
    answer = post.hold("password")
    _sign_in(victim.page, late)
    assert answer.arrived.wait(_PATIENCE)
    _sign_in(second, early)
    second.evaluate("entering")
    answer.opened.set()
    victim.page.evaluate("entering")
    _everybody_is(site, victim, second, late)


def test_without_locks_a_sign_out_that_is_answered_late_leaves_nobody_signed_in_as_the_first(
    site: Site, post: Post, without_locks: Victim
):
    victim = without_locks
    second = site.open(victim.page.context, victim.client_id)
    answer = post.hold("/revoke")
    victim.page.evaluate("() => { window.leaving = auth.signOut() }")
    assert answer.arrived.wait(_PATIENCE)
    someone_else = site.stage.a_person()
    _sign_in(second, someone_else)
    second.evaluate("entering")
    assert _all_ended(victim, besides=someone_else)
    answer.opened.set()
    victim.page.evaluate("leaving")
    second.wait_for_function("auth.session.status === 'signed-out'")
    assert victim.cookies() == {}


def _refresh_held(post: Post, victim: Victim) -> Gate:
    """Let the victim's page need a refresh, and hold its answer; what comes of the page's request is in `outcome`."""
    gate = post.hold("refresh_token")
    post.refuse_a_token()
    victim.page.evaluate(
        """api => {
            window.outcome = auth.fetch(`${api}/profile`).then(response => response.status, error => error.code);
        }""",
        victim.site.api,
    )
    assert gate.arrived.wait(_PATIENCE)
    return gate


def _sign_in(page: Page, person: Person) -> None:
    """Start a sign-in; it is done when `entering` is."""
    page.evaluate(
        "([username, password]) => { window.entering = auth.signIn({ username, password }).then(() => {}) }",
        [person.username, person.password],
    )


def _everybody_is(site: Site, victim: Victim, second: Page, person: Person) -> None:
    """In each tab, with the tokens of now and with those of the next refresh."""
    for page in (victim.page, second):
        tab = Victim(site, victim.client_id, person, page)
        page.wait_for_function("auth.session.status === 'signed-in'")
        assert tab.subject() == person.id
    assert victim.send(second, "/token", {"grant_type": "refresh_token"}) == 200
    third = site.open(second.context, victim.client_id)
    assert Victim(site, victim.client_id, person, third).subject() == person.id


def _all_ended(victim: Victim, besides: Person | None = None) -> bool:
    _, *rows = victim.state()
    return all(
        row.revoked_at is not None
        for row in rows
        if besides is None or str(row.user_id).replace("-", "") != besides.id.replace("-", "")
    )
