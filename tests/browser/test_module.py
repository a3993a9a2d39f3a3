"""The module as pages get it from the server: pinned by its digest, as docs/browsers.md shows, in a real Chromium."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from authserver.web_apps.module import read_modules
from tests.support.site import APP, Site
from tests.support.tls_proxy import Exchange

GUIDE = Path(__file__).parents[2] / "docs" / "browsers.md"
MODULE = read_modules()[0]
_OUTCOME = """
    <script type="module">
        try { window.outcome = typeof (await import("%s")).AuthClient; } catch (error) { window.outcome = error.name; }
    </script>"""


def _import_map(address: str) -> str:
    """The map that the guide shows, with the address of this server."""
    (shown,) = re.findall(r'<script type="importmap">\n(.*?)</script>', GUIDE.read_text(), re.DOTALL)
    (documented,) = json.loads(shown)["imports"].values()
    return f'<script type="importmap">{shown.replace(documented, address)}</script>' + _OUTCOME % "authserver-browser"


def _preload(address: str) -> str:
    link = f'<link rel="modulepreload" crossorigin href="{address}" integrity="{MODULE.integrity}">'
    return link + _OUTCOME % address


@pytest.fixture(params=[_import_map, _preload], ids=["import map", "modulepreload"])
def page(request: pytest.FixtureRequest, site: Site, visitors_browser: BrowserContext) -> Iterator[Page]:
    """A page that imports the module from the server, not yet loaded. The result is in `outcome`."""
    markup = request.param(site.issuer + MODULE.path)
    site.proxy.pages[APP, "/pinned"] = ("text/html", f"<!doctype html><title>Pinned</title>{markup}".encode())
    yield visitors_browser.new_page()
    site.proxy.on_answer = lambda _: True


def test_a_page_runs_the_module_that_it_pinned(site: Site, page: Page):
    assert _outcome(site, page) == "function"


def test_a_page_does_not_run_a_module_that_was_tampered_with(site: Site, page: Page):
    def tamper(exchange: Exchange) -> bool:
        if exchange.path == MODULE.path:
            exchange.answer += b"\nwindow.stolen = true;"
        return True

    site.proxy.on_answer = tamper
    assert _outcome(site, page) == "TypeError"
    assert page.evaluate("window.stolen") is None


def _outcome(site: Site, page: Page) -> str:
    page.goto(f"{site.app}/pinned")
    page.wait_for_function("() => window.outcome")
    return str(page.evaluate("window.outcome"))
