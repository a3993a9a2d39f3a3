"""Every page, in every window, with and without data: axe, width, policy, console, keyboard, headings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from playwright.sync_api import BrowserContext, Page

from authserver.administration import password_links, users
from authserver.administration.context import Administration
from tests.support.chromium import violations
from tests.support.driving import sign_in
from tests.support.every_page import EveryPage, page_routes
from tests.support.oauth import Person
from tests.support.sample_data import TRUST_FORWARDED_ADDRESSES, fill
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import Setup, make_setup
from tests.support.watched_page import WatchedPage, outline, overflow, unreachable_by_keyboard

#: TESTS_SCREENSHOTS=DIRECTORY keeps a picture of each page.
SCREENSHOTS = os.environ.get("TESTS_SCREENSHOTS")

#: Routes that no link leads to, each with its reason.
UNLINKED = {
    "visit.sign_in": "looked at before the sign-in",
    "console.clients.secret": "shows a new secret once, after a form; in test_stories.py",
}

Site = tuple[LiveServer, Person, Flask, list[str]]
NewContext = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with sample data, its administrator, its routes, and the first addresses."""
    with _serving(tmp_path_factory.mktemp("full")) as (setup, server):
        data = fill(setup, server)
        admin = Administration(setup.database, setup.settings, "cli:ops")
        link = urlsplit(password_links.issue(admin, data.person.username).url).path
        attacked = f"/admin/users/{users.find(admin, 'lucia').id}", "/admin/throttling?user=lucia&client=shop"
        shown = f"/admin/clients/show?client={data.web.client_id}", f"/admin/sessions?user={data.person.username}"
        first = [*shown, *attacked, "/admin/", "/account/", link]
        yield server, data.administrator, page_routes(setup.settings), first


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with an administrator and nothing else."""
    with _serving(tmp_path_factory.mktemp("empty")) as (setup, server):
        administrator = setup.a_person(username="olga", roles="administrator")
        yield server, administrator, page_routes(setup.settings), ["/admin/", "/account/"]


@contextmanager
def _serving(directory: Path) -> Iterator[tuple[Setup, LiveServer]]:
    setup = make_setup("sqlite", directory)
    server = ForkedServer(setup, **TRUST_FORWARDED_ADDRESSES).start()
    try:
        yield setup, server
    finally:
        server.stop()
        setup.close()


@pytest.mark.parametrize("look", ["light", "dark", "small-phone"])
def test_no_page_has_a_fault(full: Site, new_context: NewContext, look: str) -> None:
    every, faults = _looked_at(new_context(look), full, f"full-{look}")
    assert faults == {}
    assert every.wanted - every.reached - set(UNLINKED) == set(), "no link leads there"


@pytest.mark.parametrize("look", ["phone"])
def test_no_page_has_a_fault_where_there_is_nothing_yet(empty: Site, new_context: NewContext, look: str) -> None:
    _, faults = _looked_at(new_context(look), empty, f"empty-{look}")
    assert faults == {}


@pytest.mark.parametrize("look", ["dark", "small-phone"])
def test_the_documentation_of_the_admin_api_has_no_fault(empty: Site, new_context: NewContext, look: str) -> None:
    page = new_context(look).new_page()
    watched = WatchedPage(page)
    page.goto(empty[0].url + "/admin/api/docs")
    _keep(page, f"empty-{look}", "admin/api/docs")
    faults = overflow(page) + outline(page) + violations(page) + unreachable_by_keyboard(page)
    assert faults + watched.complaints() == []


def _looked_at(context: BrowserContext, site: Site, folder: str) -> tuple[EveryPage, dict[str, list[str]]]:
    server, administrator, app, first = site
    page = context.new_page()
    watched = WatchedPage(page)
    faults: dict[str, list[str]] = {}
    titles: dict[str, str] = {}

    def look(page: Page, address: str) -> None:
        _keep(page, folder, address)
        found = overflow(page) + outline(page) + violations(page)
        # The order of focus is the same in the dark.
        if not folder.endswith("dark"):
            found += unreachable_by_keyboard(page)
        found += watched.complaints()
        path = address.partition("?")[0]
        if titles.setdefault(page.title(), path) != path:
            found.append(f"has the title of {titles[page.title()]}: {page.title()}")
        if found:
            faults[address] = found

    page.goto(server.url + "/account/sign-in")
    look(page, "/account/sign-in")
    sign_in(page, server.url, administrator)
    every = EveryPage(app, server.url)
    every.visit(page, first, look)
    return every, faults


def _keep(page: Page, folder: str, address: str) -> None:
    if SCREENSHOTS:
        page.wait_for_load_state("networkidle")
        name = "".join(c if c.isalnum() else "_" for c in address.strip("/"))[:80]
        page.screenshot(path=Path(SCREENSHOTS) / folder / f"{name}.png", full_page=True)
