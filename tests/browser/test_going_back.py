"""The back button in a browser that keeps the pages that it left, as people's browsers do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.chromium import chromium
from tests.support.driving import sign_in
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import make_setup


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium with the back-forward cache, unlike the fixture of the other files."""
    with chromium(keeps_pages=True) as started:
        yield started


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    setup = make_setup("sqlite", tmp_path_factory.mktemp("back"))
    started = ForkedServer(setup).start()
    yield started
    started.stop()
    setup.close()


def test_nothing_is_to_be_seen_by_going_back_after_the_sign_out(server: LiveServer, page: Page) -> None:
    administrator = server.setup.a_person(roles="administrator")
    sign_in(page, server.url, administrator, to="/admin/")
    page.goto(server.url + "/admin/clients")
    page.goto(server.url + "/account/")
    page.go_back(wait_until="commit")
    expect(page.get_by_role("heading", level=1)).to_have_text("Clients")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out.").wait_for()
    for _ in range(3):
        page.go_back(wait_until="commit")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        assert administrator.username not in page.content()
