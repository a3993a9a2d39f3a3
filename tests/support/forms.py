"""Reads the forms of a page, with the values that are filled in, and the code that people copy from it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import httpx


def filled(page: httpx.Response, action: str) -> dict[str, Any]:
    """What a browser sends of the form for a path: inputs, areas, and what is chosen in lists."""
    reader = _Fields(action)
    reader.feed(page.text)
    assert reader.values, f"no form for {action} in: {page.text}"
    return reader.values


def codes_of(page: httpx.Response) -> dict[str, str]:
    """The texts of the page's code elements by their ids."""
    return _Codes(page.text).texts


class _Codes(HTMLParser):
    """Reads the texts of the code elements that have an id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self._open: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "code" and (name := dict(attrs).get("id")):
            self._open = name
            self.texts[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "code":
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open] += data


class _Fields(HTMLParser):
    def __init__(self, action: str) -> None:
        super().__init__()
        self.values: dict[str, Any] = {}
        self._action, self._inside, self._area, self._select = action, False, "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = found.get("action", "").partition("?")[0] == self._action
        elif not self._inside:
            return
        elif tag == "input" and (found.get("type") != "checkbox" or "checked" in found):
            self.values.setdefault(found["name"], []).append(found.get("value", ""))
        elif tag == "textarea":
            self._area = found["name"]
            self.values[self._area] = ""
        elif tag == "select":
            self._select = found["name"]
        elif tag == "option" and ("selected" in found or self._select not in self.values):
            self.values[self._select] = found["value"]

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.values[self._area] += data
