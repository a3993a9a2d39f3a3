"""Lost answers and a killed server sign no user out: real pages, the built module."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.support.site import API, Site
from tests.support.tls_proxy import Exchange

#: Lost answers that a test wants to see, and how long it waits for each.
ENOUGH, PATIENCE = 4, 60
#: Loads the profile over and over, as a busy page does. Notes the status or the error code of each answer.
_WORK = """api => {
    window.answers = [];
    window.work = (async () => {
        while (!window.finished) {
            answers.push(await auth.fetch(`${api}/profile`).then(response => response.status, error => error.code));
            await new Promise(resolve => setTimeout(resolve, 20));
        }
    })();
}"""


class Network:
    """Loses answers between page and server. The API refuses each token at its second use, so the page refreshes.

    Each refresh is a rotation: the session is made older, unless the request repeats one whose answer got lost.
    """

    def __init__(self, site: Site, client_id: str) -> None:
        #: One in so many answers of the token endpoint is lost; None: every answer arrives.
        self.loses: int | None = None
        #: Counts the lost answers.
        self.lost = threading.Semaphore(0)
        self._site, self._client_id = site, client_id
        self._answers, self._owing = 0, False
        self._used: set[str] = set()
        site.proxy.on_request, site.proxy.on_answer = self._before, self._after

    def lose(self, one_in: int) -> None:
        self._answers, self.loses = 0, one_in

    def _before(self, exchange: Exchange) -> bool:
        if exchange.is_a("refresh_token") and not self._owing:
            self._site.setup.sql(
                "UPDATE sessions SET rotated_at = rotated_at - 31000 WHERE client_id = :client", client=self._client_id
            )
        return True

    def _after(self, exchange: Exchange) -> bool:
        token = exchange.headers.get("authorization")
        if exchange.host == API and token:
            if token in self._used:
                exchange.status = 401
            self._used.add(token)
        if exchange.path != "/token" or self.loses is None:
            return True
        self._answers += 1
        arrives = self._answers % self.loses > 0
        if exchange.status == 200:
            self._owing = not arrives
        if not arrives:
            self.lost.release()
        return arrives


@pytest.fixture
def client(site: Site) -> str:
    """What `--kind browser` makes: one late retry, for a restart that takes longer than the window."""
    return site.a_client(late_retries=1)


@pytest.fixture
def network(site: Site, client: str) -> Iterator[Network]:
    yield Network(site, client)
    site.proxy.on_request = site.proxy.on_answer = lambda _: True


@pytest.fixture
def page(site: Site, client: str, network: Network, visitors_browser: BrowserContext) -> Page:
    """A page that works for a signed-in user."""
    visitors_browser.set_default_timeout(PATIENCE * 1000)
    opened = site.open(visitors_browser, client)
    someone = site.setup.a_person()
    opened.evaluate(
        "([username, password]) => auth.signIn({ username, password })", [someone.username, someone.password]
    )
    opened.evaluate("() => { events.length = 0 }")
    opened.evaluate(_WORK, site.api)
    return opened


@pytest.mark.parametrize("one_in", [2, 3, 5])
def test_lost_answers_sign_nobody_out_and_fail_no_request(
    site: Site, client: str, network: Network, page: Page, one_in: int
):
    network.lose(one_in)
    for _ in range(ENOUGH):
        assert network.lost.acquire(timeout=PATIENCE)
    network.loses = None
    assert _finish(page) == {200}
    row = _session(site, client)
    assert row.revoked_at is None
    assert row.generation >= ENOUGH * (one_in - 1)
    assert row.retries + row.late_retries >= ENOUGH


def test_the_same_network_signs_people_out_under_strict_single_use(
    site: Site, client: str, network: Network, page: Page
):
    """The network is bad enough: without this the other tests would prove nothing."""
    site.setup.sql("UPDATE clients SET retry_window = 0, late_retries = 0 WHERE client_id = :client", client=client)
    network.lose(2)
    page.wait_for_function("events.includes('signed-out')")
    network.loses = None
    assert _session(site, client).revoked_because == "reuse"


def test_a_server_that_dies_between_commit_and_answer_signs_nobody_out(
    site: Site, client: str, network: Network, page: Page
):
    network.lose(3)
    assert network.lost.acquire(timeout=PATIENCE)
    site.server.stop(signal.SIGKILL)
    page.wait_for_function("answers.includes('offline')")
    site.server.start()
    page.evaluate("() => { window.before = answers.filter(answer => answer === 200).length }")
    for _ in range(ENOUGH):
        assert network.lost.acquire(timeout=PATIENCE)
    page.wait_for_function("answers.filter(answer => answer === 200).length > before")
    network.loses = None
    # The page learned that the server was away. It was never told that its user is signed out.
    assert {200, "offline"} <= _finish(page) <= {200, "offline", "try_later"}
    assert _session(site, client).revoked_at is None


def _finish(page: Page) -> set[object]:
    """The answers to the page's requests. The page must have been signed in all the time."""
    answers: list[object] = page.evaluate("async () => { window.finished = true; await work; return answers }")
    events: list[str] = page.evaluate("events")
    assert page.evaluate("auth.session.status") == "signed-in"
    assert not {"signed-in", "signed-out"} & set(events)
    return set(answers)


def _session(site: Site, client: str) -> Any:
    (row,) = site.setup.sql("SELECT * FROM sessions WHERE client_id = :client", client=client)
    return row
