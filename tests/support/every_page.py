"""Finds every page of the server by links, and compares them with the application's list of routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from flask import Flask
from playwright.sync_api import Page
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, RequestRedirect

from authserver.app import create_app
from authserver.settings.model import Settings

_AREAS = ("/admin", "/account")
#: Lies under the same paths, answers with JSON and has its own tests.
_NO_PAGES = "/admin/api"
#: Each value of these parts of an address is visited. One example is enough of any other part.
_EVERY_VALUE = {"kind"}


def page_routes(settings: Settings) -> Flask:
    """The application, for its list of routes."""
    app = create_app(settings)
    app.extensions["authserver"].database.dispose()
    return app


class EveryPage:
    """Goes through the pages that a signed-in browser can reach by links, one example of each route.

    `reached` has the endpoints of all links, pages and downloads; `pages` has the addresses of the pages.
    """

    def __init__(self, app: Flask, url: str) -> None:
        self._url = url
        self._routes: MapAdapter = app.url_map.bind("127.0.0.1")
        self.wanted = {
            rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ()) and _is_page(rule.rule)
        }
        self.reached: set[str] = set()
        self.pages: list[str] = []
        self._seen: set[tuple[object, ...]] = set()

    def visit(self, page: Page, first: Iterable[str], look: Callable[[Page, str], None]) -> None:
        """Open each page that is linked to, from the `first` addresses on, and call `look` with it."""
        waiting = list(first)
        while waiting:
            address = waiting.pop(0)
            if not self._is_new(address):
                continue
            answer = page.request.get(self._url + address, max_redirects=0)
            assert answer.status in {200, 303}, f"a link leads to {answer.status}: {address}"
            if answer.status == 303:
                waiting.append(answer.headers["location"].removeprefix(self._url))
            elif answer.headers["content-type"].startswith("text/html"):
                page.goto(self._url + address)
                self.pages.append(address)
                waiting += self._links(page)
                look(page, address)

    def acts(self, examples: Mapping[str, str]) -> list[str]:
        """An address for each route that takes a form. A part that `examples` does not name is an unused id."""
        found = []
        for rule in self._routes.map.iter_rules():
            if "POST" in (rule.methods or ()) and _is_page(rule.rule):
                values = {name: examples.get(name, str(UUID(int=1))) for name in rule.arguments}
                found.append(self._routes.build(rule.endpoint, values, method="POST"))
        assert found
        return found

    def _is_new(self, address: str) -> bool:
        parts = urlsplit(address)
        if not _is_page(parts.path):
            return False
        try:
            endpoint, values = self._routes.match(parts.path, "GET")
        except RequestRedirect:
            return True
        except HTTPException as error:
            raise AssertionError(f"a link leads nowhere: {address}") from error
        key = (endpoint, *sorted(parse_qs(parts.query)), *(str(values[name]) for name in _EVERY_VALUE & set(values)))
        self.reached.add(endpoint)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _links(self, page: Page) -> list[str]:
        found = page.evaluate("() => [...document.querySelectorAll('a[href]')].map(link => link.href)")
        return [one.removeprefix(self._url).partition("#")[0] for one in found if one.startswith(self._url + "/")]


def _is_page(path: str) -> bool:
    return path.startswith(_AREAS) and path != _NO_PAGES and not path.startswith(_NO_PAGES + "/")
