"""What fuzzed requests are made of: clients, users, tokens and a visit that exist only for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from urllib.parse import quote

import httpx

from authserver.apis.administration import SCOPES
from tests.support.admin_api import a_program
from tests.support.console import an_administrator
from tests.support.forms import filled
from tests.support.oauth import OAuth, claims
from tests.support.server import LiveServer
from tests.support.setup import Setup
from tests.support.visitor import Visitor, forms_of

FUZZED_API = "https://fuzzed.example.com"
METRICS_TOKEN = "metrics-token-of-a-test"
#: Without the two that could sign honest users out: a request may be right by chance.
_SCOPES = frozenset(SCOPES) - {"authserver:keys:write", "authserver:sessions:write"}
_EACH = 20
_IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=/)\d+(?=/|$)")
_LINK = re.compile(r'href="(/(?:admin|account)/[^"#]*)"')


@dataclass(frozen=True)
class Material:
    """Values for requests. `ids` has things that they may change and remove, by names of variables of paths."""

    client_id: bytes
    secret: bytes
    username: bytes
    password: bytes
    refresh_tokens: list[bytes]
    access_tokens: list[bytes]
    admin_token: bytes
    cookies: bytes  # the value of the Cookie header of an administrator's browser
    visit: bytes  # the value of the cookie that carries its visit
    form_token: bytes
    issuer: bytes
    ids: Mapping[str, list[bytes]]
    #: The fields of each form of the pages, as a browser would send them, by the form's address without ids and query.
    forms: Mapping[str, list[tuple[bytes, bytes]]]


class MaterialMaker:
    """Makes new material on a server: the fuzzed requests use up what they get."""

    def __init__(self, server: LiveServer, http: httpx.Client) -> None:
        self._server = server
        self._oauth = OAuth(http, server.setup.an_app(grants={"password", "refresh_token"}, retry_window=0))
        self._person = server.setup.a_person()
        self._guessed = server.setup.a_person()  # not the one who signs in for the material
        self._administrator = an_administrator(server.setup, _SCOPES)
        server.setup.an_api(FUZZED_API, "fuzzed")
        self._forms: dict[str, list[tuple[bytes, bytes]]] = {}

    def make(self) -> Material:
        setup, person = self._server.setup, self._guessed
        tokens = [self._signed_in() for _ in range(4)]
        sessions = [claims(access)["sid"] for _, access in tokens]
        with self._server.http() as http:
            browser = Visitor(http, self._server.url)
            assert browser.sign_in(self._administrator).status_code == 303
            form_token = browser.token_of("/account/")
            self._forms = self._forms or all_forms(browser)
            cookies = dict(http.cookies.items())
        ids = {
            "client_id": [setup.an_app().client_id for _ in range(_EACH)],
            "user_id": [setup.a_person().id for _ in range(_EACH)],
            "api_id": [quote(FUZZED_API, safe="")],
            "session_id": sessions,
            "visit_id": sessions,
            "audience": [FUZZED_API],
            "key_id": ["1", "2", "3"],
            "kind": ["web", "mobile", "service", "signing", "token"],
            "number": ["0", "1", str(2**31), str(2**63), "9" * 40],
            "name": ["authserver.js"],
        }
        program = a_program(setup, self._oauth.http, *_SCOPES)
        return Material(
            client_id=self._oauth.app.client_id.encode(),
            secret=str(self._oauth.app.secret).encode(),
            username=person.username.encode(),
            password=person.password.encode(),
            refresh_tokens=[refresh.encode() for refresh, _ in tokens],
            access_tokens=[access.encode() for _, access in tokens],
            admin_token=program.token.encode(),
            cookies="; ".join(f"{name}={value}" for name, value in cookies.items()).encode(),
            visit=cookies["authserver"].encode(),
            form_token=form_token.encode(),
            issuer=self._server.url.encode(),
            forms=self._forms,
            ids={name: [value.encode() for value in values] for name, values in ids.items()},
        )

    def _signed_in(self) -> tuple[str, str]:
        answer = self._oauth.sign_in(self._person)
        assert answer.status_code == 200, answer.text
        return answer.json()["refresh_token"], answer.json()["access_token"]


def all_forms(browser: Visitor) -> dict[str, list[tuple[bytes, bytes]]]:
    """Follow the links of the pages, one of each kind, and read the forms."""
    found: dict[str, list[tuple[bytes, bytes]]] = {}
    seen, waiting = set(), ["/account/", "/admin/"]
    while waiting:
        path = waiting.pop()
        kind = without_ids(path)
        if kind in seen:
            continue
        seen.add(kind)
        page = browser.get(path)
        if page.is_redirect:
            waiting.append(page.headers["location"])
            continue
        for form in forms_of(page):
            if form.method.lower() == "post" and form.action:
                fields = filled(page, form.action.partition("?")[0])
                found[without_ids(form.action)] = [
                    (name.encode(), value.encode())
                    for name, values in fields.items()
                    for value in ([values] if isinstance(values, str) else values)
                ]
        waiting += map(unescape, _LINK.findall(page.text))
    return found


def without_ids(address: str) -> str:
    """The path of an address, with a star in place of each id."""
    return _IDS.sub("*", address.partition("?")[0])


class HonestClient:
    """A client with a session that no fuzzed request knows. It has to go on."""

    def __init__(self, setup: Setup, http: httpx.Client) -> None:
        self._oauth = OAuth(http, setup.an_app(retry_window=0))
        answer = self._oauth.sign_in(setup.a_person())
        assert answer.status_code == 200, answer.text
        self._refresh_token: str = answer.json()["refresh_token"]

    def goes_on(self) -> bool:
        """Whether it can refresh, and get a token of its own."""
        answer = self._oauth.refresh(self._refresh_token)
        self._refresh_token = answer.json().get("refresh_token", "")
        return answer.status_code == 200 and self._oauth.own_token().status_code == 200
