"""Fixtures: a Chromium for each file, and pages of it in every look that people use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.chromium import PATIENCE_MS, chromium
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import make_setup
from tests.support.site import Site, open_site

#: The windows in which pages are checked: a light and a dark desktop, a phone, and the narrowest phone.
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 375, "height": 812}, "color_scheme": "light"},
    "small-phone": {"viewport": {"width": 320, "height": 640}, "color_scheme": "dark"},
}

NewContext = Callable[..., BrowserContext]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder needs Chromium."""
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.chromium)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with an API, for all tests of a file: each has its own people and clients."""
    setup = make_setup("sqlite", tmp_path_factory.mktemp("server"))
    setup.an_api()
    started = ForkedServer(setup).start()
    yield started
    started.stop()
    setup.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for each file, not for the run: while Playwright runs, other tests cannot have an event loop."""
    with chromium() as started:
        yield started


@pytest.fixture
def new_context(browser: Browser) -> Iterator[NewContext]:
    """Makes separate browsers: `new_context("phone")`. All are closed in the end."""
    opened: list[BrowserContext] = []

    def make(look: str = "light", **more: Any) -> BrowserContext:
        context = browser.new_context(**{"reduced_motion": "reduce", "locale": "en-GB", **LOOKS[look], **more})
        context.set_default_timeout(PATIENCE_MS)
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()


@pytest.fixture
def page(new_context: NewContext) -> Page:
    """A page on a light desktop, in a fresh browser."""
    return new_context().new_page()


@pytest.fixture(scope="module")
def running_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for a file, on one database."""
    setup = make_setup("sqlite", tmp_path_factory.mktemp("site"))
    with open_site(setup) as opened:
        yield opened
    setup.close()


@pytest.fixture
def site(running_site: Site) -> Iterator[Site]:
    """A page, an API and a live server on hosts of one name; tests make own clients. No test watches the proxy yet."""
    yield running_site
    running_site.proxy.on_request = running_site.proxy.on_answer = lambda _: True


@pytest.fixture
def visitors_browser(new_context: NewContext) -> BrowserContext:
    """A browser that accepts the site's self-signed certificate."""
    return new_context(ignore_https_errors=True)
