"""A site as a team runs it: a page, an API and authserver, on https hosts of one registrable name or on one origin."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.support.chromium import DOMAIN, FOREIGN_HOST
from tests.support.oauth import App
from tests.support.server import ROOT, ForkedServer, LiveServer
from tests.support.setup import Setup
from tests.support.tls_proxy import Route, TlsProxy

APP, AUTH, API = f"app.{DOMAIN}", f"auth.{DOMAIN}", f"api.{DOMAIN}"
HERE = "127.0.0.1"
#: The client of the example page, and the default for other pages.
CLIENT = "shop"
SCOPES = frozenset({"read", "write", "sessions"})

_BLANK = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Blank</title><link rel="icon" href="data:,">'
    "<p>An empty page of the app.</p></html>"
)
_START = """async ([issuer, clientId, apis]) => {
    const { AuthClient } = await import("/authserver-browser.js");
    window.auth = new AuthClient({ issuer, clientId, apis });
    window.events = [];
    for (const type of ["signed-in", "signed-out", "refreshed", "offline", "online"]) {
        auth.addEventListener(type, () => events.push(type));
    }
    await auth.ready;
}"""


@dataclass
class Site:
    """A running site. Addresses end without a slash. `app` has examples/web-app at `/`, a blank page at `/blank`."""

    setup: Setup
    proxy: TlsProxy
    server: LiveServer
    app: str
    issuer: str
    api: str
    #: A confidential client of the API, for introspection.
    asker: App

    def url(self, host: str) -> str:
        """The origin of a host. Every host leads to the proxy."""
        return f"https://{host}:{self.proxy.port}"

    def a_client(self, **changes: Any) -> str:
        """Register a client for pages of the app, with cookie delivery; any column may be given. Returns its id."""
        given = {
            "kind": "browser",
            "token_delivery": "cookie",
            "origins": frozenset({self.app}),
            "scopes": SCOPES,
            "default_api": self.api,
            **changes,
        }
        return self.setup.an_app(public=True, **given).client_id

    def open(self, context: BrowserContext, client_id: str = CLIENT) -> Page:
        """An empty page of the app in a new tab, with the module's `AuthClient` in `auth` and its events in `events`.

        The context has to be made with `ignore_https_errors=True`.
        """
        page = context.new_page()
        page.goto(f"{self.app}/blank")
        self.start(page, client_id)
        return page

    def start(self, page: Page, client_id: str = CLIENT) -> None:
        """Make the `AuthClient` of a loaded page."""
        page.evaluate(_START, [self.issuer, client_id, [self.api]])


@contextmanager
def open_site(
    setup: Setup,
    *,
    one_origin: bool = False,
    workers: int = 1,
    leeway: float = 0,
    client: dict[str, Any] | None = None,
) -> Iterator[Site]:
    """Start everything on a setup without an API. `client`: columns of `CLIENT`; `leeway`: the API's, in seconds.

    `one_origin`: authserver at `/auth` and the API at `/api` of the page's own host, with both tokens in cookies.
    """
    with ExitStack() as stack:
        proxy = stack.enter_context(TlsProxy(setup.directory, f"*.{DOMAIN}", FOREIGN_HOST, HERE).running())
        app = f"https://{APP}:{proxy.port}"
        issuer = f"{app}/auth" if one_origin else f"https://{AUTH}:{proxy.port}"
        api = f"{app}/api" if one_origin else f"https://{API}:{proxy.port}"
        setup.an_api(api, "read write")
        server = ForkedServer(
            setup, workers=workers, AUTHSERVER_ISSUER=issuer, AUTHSERVER_TRUSTED_PROXIES="127.0.0.1/32"
        )
        site = Site(setup, proxy, server, app, issuer, api, setup.an_app(scopes=set(), default_api=api))
        setup.sql("UPDATE apis SET client_id = :id WHERE audience = :api", id=site.asker.client_id, api=api)
        site.a_client(client_id=CLIENT, token_delivery="both_cookies" if one_origin else "cookie", **(client or {}))
        stack.callback(server.stop)
        server.start()
        shop = [str(ROOT / "tests" / "browser" / "shop_api.py"), "--issuer", issuer, "--audience", api, "--origin", app]
        shop += [
            "--domain",
            DOMAIN,
            "--leeway",
            str(leeway),
            "--introspection",
            site.asker.client_id,
            str(site.asker.secret),
        ]
        if one_origin:
            shop += ["--cookie", f"__Host-authserver-at-{CLIENT}"]
        example = [str(ROOT / "examples" / "web-app" / "server.py"), "--issuer", issuer, "--client-id", CLIENT]
        trust = {"SSL_CERT_FILE": str(proxy.certificate), "PYTHONPATH": f"{ROOT / 'sdk' / 'python'}"}
        api_port = stack.enter_context(_beside(shop, setup.directory / "api.log", trust))
        app_port = stack.enter_context(
            _beside([*example, "--api", api, "--port", "0"], setup.directory / "app.log", {})
        )
        proxy.routes = (
            [
                Route(APP, server.port, "/auth/"),
                Route(APP, server.port, "/.well-known/"),
                Route(APP, api_port, "/api/", strip=True),
            ]
            if one_origin
            else [Route(AUTH, server.port), Route(API, api_port)]
        )
        # For programs that cannot resolve the names.
        proxy.routes += [Route(HERE, server.port), Route(HERE, api_port, "/profile")]
        proxy.routes.append(Route(APP, app_port))
        proxy.pages[APP, "/blank"] = ("text/html; charset=utf-8", _BLANK.encode())
        yield site


@contextmanager
def _beside(command: list[str], log: Path, more: dict[str, str]) -> Iterator[int]:
    """Run a Python program during the block. Its first line of output ends with its port."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUTHSERVER_")}
    environment = {**inherited, "NO_PROXY": "*", "no_proxy": "*", **more}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        assert line, f"it did not start:\n{log.read_text()}"
        yield int(line.rpartition(":")[2])
    finally:
        process.terminate()
        process.communicate(timeout=60)
