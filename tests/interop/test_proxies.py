"""The sample proxies in front of a live server, with changed addresses and certificates only: who sees which cookie."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from authserver.administration import password_links
from authserver.administration.context import Administration
from authserver.apis import own_sessions
from authserver.apis.administration import SCOPES
from authserver.tokens.access_token import LONGEST
from tests.support.page import Page
from tests.support.proxies import proxy_or_skip, run_caddy, run_nginx
from tests.support.server import ForkedServer, free_port
from tests.support.setup import Setup, make_setup
from tests.support.tls_proxy import make_certificate
from tests.support.visitor import Visitor

SAMPLES = Path(__file__).parents[2] / "config" / "proxies"
CLIENT = "shop"
NEW = "a wholly new password"
ACCESS, REFRESH = f"__Host-authserver-at-{CLIENT}", f"__Host-authserver-rt-{CLIENT}"


@dataclass
class Upstream:
    """A server behind the proxy that notes path, Cookie and X-Forwarded-For of each request."""

    seen: list[tuple[str, str | None, str | None]] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator[int]:
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append((self.path, self.headers["Cookie"], self.headers["X-Forwarded-For"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Silence."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield server.server_address[1]
            server.shutdown()


@dataclass
class Site:
    """One origin: a proxy in front of authserver, an API and the page's server."""

    host: str
    url: str
    api: Upstream
    app: Upstream

    def page(self, http: httpx.Client) -> Page:
        return Page(http, CLIENT, f"https://{self.host}", site="same-origin")


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    """On SQLite only: the tests look at the proxy in front of the server."""
    made = make_setup("sqlite", tmp_path)
    made.an_api()
    yield made
    made.close()


@pytest.fixture(params=["nginx", "caddy"])
def site(request: pytest.FixtureRequest, tmp_path: Path, setup: Setup) -> Iterator[Site]:
    """The one-origin sample of each proxy."""
    kind: str = request.param
    host = {"nginx": "shop.example.com", "caddy": "one.example.com"}[kind]
    proxy_or_skip(kind)
    given = {"token_delivery": "both_cookies", "origins": frozenset({f"https://{host}"}), "kind": "browser"}
    setup.an_app(public=True, client_id=CLIENT, **given)
    server = ForkedServer(setup, AUTHSERVER_ISSUER=f"https://{host}/auth", AUTHSERVER_TRUSTED_PROXIES="127.0.0.1/32")
    api, app = Upstream(), Upstream()
    with contextlib.ExitStack() as stack:
        stack.callback(server.start().stop)
        port = free_port()
        ports = {8000: server.port, 8001: stack.enter_context(api.running()), 8002: stack.enter_context(app.running())}
        start = {"nginx": _nginx, "caddy": _caddy}[kind]
        stack.enter_context(start(tmp_path, port, ports))
        app.seen.clear()  # forget the requests that waited for the proxy
        yield Site(host, f"https://127.0.0.1:{port}", api, app)


@pytest.fixture
def browser(site: Site) -> Iterator[httpx.Client]:
    """Speaks TLS to the proxy under the site's name."""
    options = {"sni_hostname": site.host}
    with httpx.Client(base_url=site.url, verify=False, headers={"Host": site.host}, timeout=60) as http:
        http.event_hooks["request"].append(lambda request: request.extensions.update(options))
        yield http


def test_each_part_of_a_one_origin_site_gets_the_cookies_that_it_needs(site: Site, browser: httpx.Client, setup: Setup):
    person = setup.a_person()
    page = site.page(browser)
    assert _auth(page, grant_type="password", username=person.username, password=person.password).status_code == 200
    assert page.cookies.keys() == {ACCESS, REFRESH}
    page.cookies = {"theme": "dark", REFRESH: page.cookies[REFRESH], ACCESS: page.cookies[ACCESS], "last": "1"}
    assert page.send("GET", "/api/profile", headers={}).status_code == 204
    assert page.send("GET", "/index.html", headers={}).status_code == 204
    assert site.api.seen == [("/profile", f"{ACCESS}={page.cookies[ACCESS]}", "127.0.0.1")]
    assert [(path, cookie or None) for path, cookie, _ in site.app.seen] == [("/index.html", None)]
    assert _auth(page, grant_type="refresh_token").status_code == 200
    del page.cookies[ACCESS]
    page.send("GET", "/api/profile", headers={})
    assert REFRESH not in (site.api.seen[-1][1] or "")
    assert page.post("/auth/revoke", {}).status_code == 200
    assert REFRESH not in page.cookies


def test_the_largest_access_cookie_gets_through(site: Site, browser: httpx.Client, setup: Setup):
    """Once nginx answered 502 after the rotation: its buffer for the head of an answer has 4 KiB."""
    person, page = setup.a_person(), site.page(browser)
    form = {"username": person.username, "password": person.password}
    assert _auth(page, grant_type="password", **form).status_code == 200
    characters = (4096 - len(ACCESS) - len(page.cookies[ACCESS])) * 3 // 4 - 20
    sizes = []
    for more in range(40):
        setup.sql("UPDATE sessions SET roles = :roles", roles="x" * (characters + more))
        answer = _auth(page, grant_type="refresh_token")
        if answer.status_code != 200:
            break
        sizes.append(len(ACCESS) + len(page.cookies[ACCESS]))
        assert page.send("GET", "/api/profile", headers={}).status_code == 204
    assert answer.status_code == 400
    assert max(sizes) in (4095, 4096)


def test_the_longest_access_token_gets_through(site: Site, browser: httpx.Client, setup: Setup):
    person = setup.a_person(roles="x" * (LONGEST * 3 // 4 - 800))
    form = {"grant_type": "password", "username": person.username, "password": person.password}
    app = setup.an_app(scopes={own_sessions.SCOPE})
    token = browser.post("/auth/token", data=form, headers=app.basic).json()["access_token"]
    assert LONGEST - 1000 < len(token) <= LONGEST
    for path, status in (("/auth/sessions", 200), ("/api/profile", 204)):
        assert browser.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == status


def test_an_import_below_the_path_of_the_issuer_may_be_large(setup: Setup):
    """Once its bound was looked up by the path without the issuer's: it was that of all other requests."""
    app = setup.an_app(kind="service", grants={"client_credentials"}, scopes=set(SCOPES))
    server = ForkedServer(setup, AUTHSERVER_ISSUER="https://one.example.com/auth")
    with contextlib.ExitStack() as stack:
        stack.callback(server.start().stop)
        http = stack.enter_context(server.http())
        token = http.post("/auth/token", data={"grant_type": "client_credentials"}, headers=app.basic).json()
        headers = {"Authorization": f"Bearer {token['access_token']}", "Content-Type": "application/jsonl"}
        lines = '{"username": "anna"}\n' + "\n" * 1_500_000
        assert http.post("/auth/admin/api/users/import", content=lines, headers=headers).json()["added"] == 1
        assert http.post("/auth/admin/api/users", content=lines, headers=headers).status_code == 413


def test_the_metadata_is_where_the_rfc_has_it(site: Site, browser: httpx.Client):
    document = browser.get("/.well-known/oauth-authorization-server/auth").json()
    assert document["issuer"] == f"https://{site.host}/auth"


def test_a_password_link_and_the_account_reach_no_other_server(site: Site, browser: httpx.Client, setup: Setup):
    person = setup.a_person()
    settings = setup.with_settings(issuer=f"https://{site.host}/auth")
    issued = password_links.issue(Administration(setup.database, settings, "cli:tester"), person.username)
    visitor = Visitor(browser, f"https://{site.host}")
    path = urlsplit(issued.url).path
    assert visitor.get(path).status_code == 200
    visitor.submit(path, {"new_password": NEW, "repeated_password": NEW})
    visitor.follow()
    visitor.submit("/auth/account/sign-in", {"login": person.username, "password": NEW})
    assert person.username in visitor.follow().text
    assert (site.app.seen, site.api.seen) == ([], [])
    assert visitor.get("/account/").status_code == 204
    assert [path for path, *_ in site.app.seen] == ["/account/"], "outside of the issuer's path is the page's server"


@pytest.mark.parametrize("path", ["/auth/admin/", "/auth/admin/api/docs", "/auth/metrics", "/auth/readyz"])
def test_what_is_for_inside_is_not_open_to_all(site: Site, browser: httpx.Client, path: str):
    assert browser.get("/auth/healthz").status_code == 200
    assert browser.get(path).status_code in (403, 404)
    assert site.app.seen == []


def test_an_address_that_the_caller_wrote_is_not_believed(site: Site, browser: httpx.Client, setup: Setup):
    person = setup.a_person()
    form = {"grant_type": "password", "username": person.username, "password": person.password}
    answer = site.page(browser).post("/auth/token", form, X_Forwarded_For="203.0.113.9")
    assert answer.status_code == 200
    assert [row.last_address for row in setup.sql("SELECT last_address FROM sessions")] == ["127.0.0.1"]


def _auth(page: Page, **form: str) -> httpx.Response:
    return page.post("/auth/token", form)


@contextlib.contextmanager
def _nginx(directory: Path, port: int, ports: dict[int, int]) -> Iterator[None]:
    certificate = make_certificate(directory, "shop.example.com")
    for name in ("authserver-headers.conf", "nginx-one-origin.conf"):
        text = _moved((SAMPLES / name).read_text(), ports)
        text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
        text = text.replace("/etc/nginx/", f"{directory}/")
        text = re.sub(r"/etc/ssl/\S+\.(pem|key)", str(certificate), text)
        (directory / name).write_text(text)
    with run_nginx(directory, f"include {directory}/nginx-one-origin.conf;", f"https://127.0.0.1:{port}"):
        yield


@contextlib.contextmanager
def _caddy(directory: Path, port: int, ports: dict[int, int]) -> Iterator[None]:
    certificate = make_certificate(directory, "one.example.com")
    text = _moved((SAMPLES / "Caddyfile").read_text(), ports)
    text = text.replace("one.example.com {", f"one.example.com {{\n\ttls {certificate} {certificate}")
    text = text.replace("auth.example.com {", f"auth.example.com {{\n\ttls {certificate} {certificate}")
    options = f"{{\n\tadmin off\n\thttps_port {port}\n\thttp_port {free_port()}\n\tauto_https disable_redirects\n}}\n"
    with run_caddy(directory, options + text, f"https://127.0.0.1:{port}"):
        yield


def _moved(text: str, ports: dict[int, int]) -> str:
    for documented, real in ports.items():
        text = text.replace(f"127.0.0.1:{documented}", f"127.0.0.1:{real}")
    return text
