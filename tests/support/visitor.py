"""A browser on the level of HTTP: cookies, the headers that browsers send, and forms with their hidden fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx

from tests.support.oauth import Person


@dataclass
class Form:
    """A form of a page: its address, and the fields that the page has filled in."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Visitor:
    """One browser. `page` is the last answer. Only `follow` follows a redirect."""

    http: httpx.Client
    origin: str
    page: httpx.Response | None = None

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Navigate to a path."""
        sent = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", **_named(headers)}
        self.page = self.http.get(path, headers=sent)
        return self.page

    def post(self, path: str, form: dict[str, Any], **headers: str) -> httpx.Response:
        """Send a form with these fields and with the headers that a browser sends from our own page."""
        sent = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", **_named(headers)}
        self.page = self.http.post(path, data=form, headers={n: v for n, v in sent.items() if v})
        return self.page

    def submit(self, action: str, form: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """Send the last page's form for this path, with its hidden fields and these fields."""
        return self.post(action, {**dict(self.form(action).fields), **(form or {})}, **headers)

    def follow(self) -> httpx.Response:
        """Follow the redirect of the last answer."""
        assert self.page is not None
        assert self.page.is_redirect, self.page
        return self.get(self.page.headers["location"])

    def form(self, action: str) -> Form:
        """The last page's first form for this path."""
        assert self.page is not None
        found = [form for form in forms_of(self.page) if form.action.partition("?")[0] == action]
        assert found, f"no form for {action} in: {self.page.text}"
        return found[0]

    def token(self, path: str = "/account/sign-in") -> str:
        """A form token of a page."""
        self.get(path)
        return dict(self.form(path).fields)["csrf_token"]

    def token_of(self, path: str) -> str:
        """The form token of any form of a page: a token belongs to the browser, not to the form."""
        page = self.get(path)
        tokens = [dict(form.fields).get("csrf_token") for form in forms_of(page)]
        found = next((token for token in tokens if token), None)
        assert found is not None, f"no form of {path} has a token"
        return found

    def sign_in(self, person: Person, **fields: Any) -> httpx.Response:
        """Open the sign-in form and send it; returns the answer."""
        self.get("/account/sign-in")
        return self.submit("/account/sign-in", {"login": person.username, "password": person.password, **fields})


def forms_of(response: httpx.Response) -> list[Form]:
    """The forms of a page."""
    reader = _Forms()
    reader.feed(response.text)
    return reader.forms


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _is_sent(values: dict[str, str]) -> bool:
    return bool(values.get("name")) and (values.get("type") not in ("checkbox", "radio") or "checked" in values)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get")))
            self._open = True
        elif tag == "input" and self._open and _is_sent(values):
            self.forms[-1].fields.append((values["name"], values.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False
