"""Each check of pages finds its fault on a page that has it, and nothing on a page without a fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Page

from tests.support.chromium import violations
from tests.support.watched_page import WatchedPage, outline, overflow, unreachable_by_keyboard

GOOD = """<!doctype html><html lang="en"><title>Good</title><link rel="icon" href="data:,">
<main><h1>Good</h1><p>Text <a href="/there">a link</a></p>
<form><label>Name <input name="name"></label><button>Go</button></form></main></html>"""


@contextmanager
def _served(html: str, policy: str = "default-src 'none'; img-src data:; form-action 'self'") -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _faults(page: Page, html: str) -> list[str]:
    watched = WatchedPage(page)
    with _served(html) as url:
        page.goto(url)
        found = overflow(page) + outline(page) + violations(page) + unreachable_by_keyboard(page)
        return found + watched.complaints()


def test_a_page_without_fault_passes_every_check(page: Page) -> None:
    assert _faults(page, GOOD) == []


@pytest.mark.parametrize(
    ("good", "bad", "fault"),
    [
        ("<label>Name <input", "<label>Name</label><input", "no label: name"),
        ("<label>Name <input", "<label>Name</label><input", "critical: label:"),
        ("<p>", "<p style='color:#aaa'>", "CSP: style-src-attr"),
        ("<p>", "<p><img alt='' src='/missing.png'>", "CSP: img-src"),
        ("<p>", "<p><script>alert(1)</script>", "CSP: script-src-elem"),
        ("<p>", "<table><tr><td>" + "wide" * 400 + "</table><p>", "td.: "),
        ("<h1>Good</h1>", "<h2>Good</h2>", "0 headings h1"),
        ("Good</title>", "</title>", "no title"),
        ('lang="en"', "", "no language"),
        ("<p>", "<p id=a></p><p id=a>", "two of id a"),
        ("<button>", "<button onfocus=this.blur()>", "CSP: script-src-attr"),
    ],
)
def test_a_fault_is_found(page: Page, good: str, bad: str, fault: str) -> None:
    assert good in GOOD
    found = _faults(page, GOOD.replace(good, bad))
    assert any(fault in one for one in found), found


def test_a_focus_that_does_not_show_is_found(page: Page) -> None:
    html = GOOD.replace("<main>", "<style>a:focus { outline: none }</style><main>")
    with _served(html, "default-src 'none'; style-src 'unsafe-inline'") as url:
        page.goto(url)
        assert unreachable_by_keyboard(page) == ["focus does not show: a a link"]


def test_what_the_keyboard_cannot_reach_is_found(page: Page) -> None:
    trap = "<script>document.querySelector('a').onkeydown = event => event.preventDefault()</script></html>"
    with _served(GOOD.replace("</html>", trap), "default-src 'none'; script-src 'unsafe-inline'") as url:
        page.goto(url)
        assert unreachable_by_keyboard(page) == ["never reached: input name", "never reached: button Go"]


def test_a_dialog_is_found(page: Page) -> None:
    watched = WatchedPage(page)
    with _served(GOOD.replace("</html>", "<script>alert(1)</script></html>"), "script-src 'unsafe-inline'") as url:
        page.goto(url)
    assert watched.complaints() == ["dialog: 1"]


def test_nothing_outside_can_be_reached(page: Page) -> None:
    watched = WatchedPage(page)
    html = GOOD.replace("<p>", "<p><img alt='' src='http://example.com/a.png'>")
    with _served(html, "default-src *") as url:
        page.goto(url)
        found = watched.complaints()
    assert any(one.startswith("failed: http://example.com/a.png: net::ERR_NAME_NOT_RESOLVED") for one in found), found
