"""Somebody who is signed in to a web app in a real browser, and what an attack on them would change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.support.chromium import DOMAIN, FOREIGN_HOST
from tests.support.front import Exchange
from tests.support.oauth import Person
from tests.support.site import Site

#: Generous: a slow machine is no failure.
PATIENCE_MS = 60_000
SIBLING_HOST = f"blog.{DOMAIN}"
_PAGE = ("text/html; charset=utf-8", b"<!doctype html><title>Nice</title><link rel=icon href=data:,><p>Nice.")
#: What a page's own script sends: a form with the browser's cookies. How it was answered, or that nobody may know.
SEND = """async ([url, fields, mode]) => {
    const body = new URLSearchParams(fields);
    try {
        const answer = await fetch(url, { method: "POST", body, credentials: "include", mode });
        return answer.status || answer.type;
    } catch {
        return "unreadable";
    }
}"""


@dataclass
class Victim:
    """A person in a browser of their own, signed in to a page of the app through `client_id`."""

    site: Site
    client_id: str
    person: Person
    page: Page

    def state(self) -> list[Any]:
        """What an attack would change: the cookies that the browser keeps, and the client's sessions."""
        rows = self.site.stage.sql(
            "SELECT id, user_id, generation, revoked_at FROM sessions WHERE client_id = :client ORDER BY id",
            client=self.client_id,
        )
        return [self.cookies(), *rows]

    def cookies(self) -> dict[str, str]:
        """By name, all that would be sent to the server."""
        return {one["name"]: one["value"] for one in self.page.context.cookies(self.site.issuer)}

    def send(self, page: Page, path: str, fields: dict[str, str], mode: str = "cors") -> Any:
        """Let a page of anybody send a form for this app's client, with the cookies of its browser."""
        return page.evaluate(SEND, [self.site.issuer + path, {"client_id": self.client_id, **fields}, mode])

    def subject(self) -> Any:
        """Whom the API takes the page's user for."""
        return self.page.evaluate("async api => (await (await auth.fetch(`${api}/profile`)).json()).sub", self.site.api)

    def sign_in(self, person: Person) -> None:
        self.page.evaluate(
            "([username, password]) => auth.signIn({ username, password })", [person.username, person.password]
        )

    def answers(self, path: str) -> list[Exchange]:
        """What the server said there, oldest first."""
        return [one for one in self.site.front.exchanges if one.path == path]


def a_victim(site: Site, context: BrowserContext, **client: Any) -> Victim:
    """Somebody new, signed in through a client of their own. `client`: its columns."""
    context.set_default_timeout(PATIENCE_MS)
    client_id = site.a_client(**client)
    victim = Victim(site, client_id, site.stage.a_person(), site.open(context, client_id))
    victim.sign_in(victim.person)
    return victim


def a_page_of(site: Site, context: BrowserContext, host: str) -> Page:
    """A page of somebody else, open in the same browser."""
    site.front.pages[host, "/nice"] = _PAGE
    page = context.new_page()
    page.goto(f"{site.url(host)}/nice")
    return page


#: Another site, to which the browser sends no Strict cookie, and a host of the same site, to which it sends them all.
ELSEWHERE = {"another site": FOREIGN_HOST, "a sibling host": SIBLING_HOST}


def acts(person: Person) -> dict[str, tuple[str, dict[str, str]]]:
    """The requests of an app: path and form."""
    sign_in = {"grant_type": "password", "username": person.username, "password": person.password}
    return {
        "refresh": ("/token", {"grant_type": "refresh_token"}),
        "sign-in": ("/token", sign_in),
        "sign-out": ("/revoke", {}),
    }
