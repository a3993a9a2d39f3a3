"""A user who is signed in to a web app in a real browser, and the state that an attack on them would change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.support.chromium import DOMAIN, FOREIGN_HOST
from tests.support.oauth import Person
from tests.support.site import Site
from tests.support.tls_proxy import Exchange

#: Generous, because a slow machine is not a failure.
PATIENCE_MS = 60_000
SIBLING_HOST = f"blog.{DOMAIN}"
_PAGE = ("text/html; charset=utf-8", b"<!doctype html><title>Nice</title><link rel=icon href=data:,><p>Nice.")
#: Sends a form with the browser's cookies, as a page's script does. Returns the status, or "unreadable".
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
class AppUser:
    """A user in a browser of their own, signed in to a page of the app through `client_id`."""

    site: Site
    client_id: str
    person: Person
    page: Page

    def state(self) -> list[Any]:
        """The state that an attack would change: the browser's cookies and the client's sessions."""
        rows = self.site.setup.sql(
            "SELECT id, user_id, generation, revoked_at FROM sessions WHERE client_id = :client ORDER BY id",
            client=self.client_id,
        )
        return [self.cookies(), *rows]

    def cookies(self) -> dict[str, str]:
        """The cookies that the browser would send to the server, by name."""
        return {one["name"]: one["value"] for one in self.page.context.cookies(self.site.issuer)}

    def send(self, page: Page, path: str, fields: dict[str, str], mode: str = "cors") -> Any:
        """Let any page send a form for this app's client, with the cookies of its browser."""
        return page.evaluate(SEND, [self.site.issuer + path, {"client_id": self.client_id, **fields}, mode])

    def subject(self) -> Any:
        """The user that the API sees when the page calls it."""
        return self.page.evaluate("async api => (await (await auth.fetch(`${api}/profile`)).json()).sub", self.site.api)

    def sign_in(self, person: Person) -> None:
        self.page.evaluate(
            "([username, password]) => auth.signIn({ username, password })", [person.username, person.password]
        )

    def answers(self, path: str) -> list[Exchange]:
        """The requests to a path with their answers, oldest first."""
        return [one for one in self.site.proxy.exchanges if one.path == path]


def an_app_user(site: Site, context: BrowserContext, **client: Any) -> AppUser:
    """A new user, signed in through a new client. `client`: its columns."""
    context.set_default_timeout(PATIENCE_MS)
    client_id = site.a_client(**client)
    app_user = AppUser(site, client_id, site.setup.a_person(), site.open(context, client_id))
    app_user.sign_in(app_user.person)
    return app_user


def a_page_of(site: Site, context: BrowserContext, host: str) -> Page:
    """A page of a foreign host, open in the same browser."""
    site.proxy.pages[host, "/nice"] = _PAGE
    page = context.new_page()
    page.goto(f"{site.url(host)}/nice")
    return page


#: Hosts whose pages attack. The browser sends no Strict cookies for another site, and all cookies for a sibling host.
ELSEWHERE = {"another site": FOREIGN_HOST, "a sibling host": SIBLING_HOST}


def acts(person: Person) -> dict[str, tuple[str, dict[str, str]]]:
    """The requests of an app: path and form."""
    sign_in = {"grant_type": "password", "username": person.username, "password": person.password}
    return {
        "refresh": ("/token", {"grant_type": "refresh_token"}),
        "sign-in": ("/token", sign_in),
        "sign-out": ("/revoke", {}),
    }
