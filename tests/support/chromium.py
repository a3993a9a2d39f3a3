"""A real Chromium, Debian's own, driven by Playwright, and axe-core to judge the pages that it shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from tests.support.missing_parts import missing

#: How long a page may take. Generous, because a slow machine is not a failure.
PATIENCE_MS = 60_000

#: A foreign host, for attacks from another site. It leads to this machine.
FOREIGN_HOST = "evil.test"
#: The registrable name of a site with a page, an API and a server on hosts of their own (tests/support/site.py).
DOMAIN = "shop.test"

_AXE = Path(__file__).parents[1] / "browser" / "node" / "node_modules" / "axe-core" / "axe.min.js"
_HERE = [f"MAP {FOREIGN_HOST} 127.0.0.1", f"MAP *.{DOMAIN} 127.0.0.1"]
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
    "--no-proxy-server",
    "--font-render-hinting=none",
    # A page that asks for anything from outside gets nothing, and its test fails.
    "--host-resolver-rules=" + ", ".join([*_HERE, "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1", "EXCLUDE localhost"]),
]


@contextmanager
def chromium(*, keeps_pages: bool = False) -> Iterator[Browser]:
    """A Chromium with a fresh profile; skips the test, or fails it where Chromium is required.

    `keeps_pages` turns the back-forward cache on, as in people's browsers. Playwright turns it off.
    Do not keep it for a whole run of pytest: while Playwright runs, it holds the only event loop of this thread.
    """
    path = _chromium_or_skip()
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = _launch(playwright, path, keeps_pages=keeps_pages)
        try:
            yield browser
        finally:
            browser.close()


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong on a page: weight, rule and place of each violation that is not `minor`."""
    page.evaluate(_axe_source())
    found = page.evaluate(
        """async () => {
            const result = await axe.run(document, {preload: false, resultTypes: ["violations"]});
            return result.violations.filter(one => one.impact !== "minor").flatMap(one => one.nodes.map(node =>
                `${one.impact}: ${one.id}: ${node.target.join(" ")}: ${(node.failureSummary || "").replace(/\\s+/g, " ")}`
            ));
        }"""
    )
    return [str(one) for one in found]


def _launch(playwright: Playwright, path: str, *, keeps_pages: bool) -> Browser:
    return playwright.chromium.launch(
        executable_path=path,
        headless=True,
        args=_FLAGS,
        ignore_default_args=["--disable-back-forward-cache"] if keeps_pages else None,
        timeout=PATIENCE_MS,
    )


def _chromium_or_skip() -> str:
    found = [path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path is not None]
    if not found:
        missing("chromium", "apt-get install chromium fonts-dejavu-core fonts-liberation")
    return found[0]


@cache
def _axe_source() -> str:
    if not _AXE.exists():
        missing("chromium", "axe-core is not installed: `make node` (needs npm)")
    return _AXE.read_text()
