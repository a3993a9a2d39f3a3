"""An administrator's browser in the console, and the parts of the app that tests of the console look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser

import httpx
from flask import Flask

from authserver.apis.administration import SCOPES
from tests.support.oauth import Person
from tests.support.setup import Setup
from tests.support.visitor import Visitor


@contextmanager
def browser(setup: Setup, app: Flask) -> Iterator[Visitor]:
    """A browser that is not signed in."""
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=setup.settings.issuer) as http:
        yield Visitor(http, setup.settings.issuer)


def an_administrator(setup: Setup, scopes: frozenset[str] = frozenset(SCOPES)) -> Person:
    """A user whose role opens exactly these scopes."""
    if scopes == frozenset(SCOPES):
        return setup.a_person(roles="administrator")
    for scope in scopes:
        setup.sql(
            "UPDATE scopes SET roles = roles || :role WHERE scope = :scope", role=" partial-administrator", scope=scope
        )
    return setup.a_person(roles="partial-administrator")


class Elements(HTMLParser):
    """Every element of a page with the names of its attributes. Text from outside must not add to them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.text: list[str] = []
        self.values: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.values += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        """The text that people read, in one line."""
        return " ".join(" ".join(self.text).split())


def words(visitor: Visitor, path: str) -> str:
    """The text of a page, which has to exist."""
    page = visitor.get(path)
    assert page.status_code == 200, page.text
    return Elements(page.text).words
