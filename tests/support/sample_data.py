"""Fills a database as if people had used the server for a while, so that the console's pages have something to show.

Use cases of administration and requests to a live server make the rows. Only the activity of the past day is inserted,
because a test cannot wait for a day.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import httpx
from sqlalchemy import insert

from authserver.administration import apis, clients, users
from authserver.administration.apis import Plan
from authserver.administration.context import Administration
from authserver.administration.users import Profile
from authserver.clients.fields import Registration
from authserver.records.activity import BUCKET_MS, ActivityRecord
from tests.support.oauth import App, OAuth, Person, claims
from tests.support.server import LiveServer
from tests.support.setup import Setup

ORDERS = "https://orders.example.com"
_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)
_SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15"
_IPHONE = "Shop/4.2 (iPhone; iOS 18.5; Scale/3.00)"
_PASSWORD = "the sample data needs no other"

_PEOPLE = ("ada", "bruno", "chiara", "dmitri", "elif", "farah", "goran", "hana", "ivo", "jelena", "karim", "lucia")
_DEVICES = (
    ("Work laptop", _FIREFOX, "203.0.113.17"),
    ("Karim's iPhone", _IPHONE, "2001:db8:85a3::8a2e:370:7334"),
    (None, _CHROME, "198.51.100.201"),
    ("Kitchen tablet", _SAFARI, "203.0.113.90"),
)


@dataclass
class SampleData:
    """The rows that pages show. `references` are of refusals, newest last; `stolen` is a session with a reuse."""

    administrator: Person
    person: Person
    web: App
    mobile: App
    service: App
    references: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    stolen: str = ""


def fill(setup: Setup, server: LiveServer) -> SampleData:
    """Fill the database. The server needs the settings `TRUST_FORWARDED_ADDRESSES`."""
    admin = Administration(setup.database, setup.settings, "cli:ops")
    apis.add(
        admin,
        Plan(
            ORDERS,
            "Orders",
            None,
            {
                "orders:read": frozenset(),
                "orders:write": frozenset({"clerk", "manager"}),
                "orders:refund": frozenset({"manager"}),
            },
        ),
    )
    apis.add(admin, Plan("https://catalogue.example.com", "Catalogue", None, {"catalogue:read": frozenset()}))
    apis.add(admin, Plan("urn:example:reports", "Reports", None, {"reports": frozenset({"manager"})}, "opaque"))
    data = SampleData(
        administrator=_person(admin, "olga", "administrator"),
        person=_person(admin, "karim", "clerk"),
        web=_client(admin, "shop", "Shop", "web"),
        mobile=_client(admin, "shop-app", "Shop for iPhone and Android", "mobile"),
        service=_client(admin, "invoices", "Nightly invoices", "service"),
    )
    _client(admin, "support-desk", "Support desk", "web")
    clients.disable(admin, _client(admin, "old-till", "Tills, before the move", "mobile").client_id)
    for number, name in enumerate(_PEOPLE):
        if name != data.person.username:
            _person(admin, name, "manager" if number % 5 == 0 else "clerk" if number % 2 else "")
    users.disable(admin, "ivo")
    _make_sessions(server, data)
    _make_activity(setup)
    return data


#: A setting of the live server, so that its requests can come from other addresses.
TRUST_FORWARDED_ADDRESSES = {"AUTHSERVER_TRUSTED_PROXIES": "127.0.0.1/32"}


def _person(admin: Administration, name: str, roles: str) -> Person:
    profile = Profile(name, f"{name}@example.com", frozenset(roles.split()))
    row = users.add(admin, profile, _PASSWORD)
    return Person(str(row.id), name, _PASSWORD, profile.email)


def _client(admin: Administration, client_id: str, name: str, kind: str) -> App:
    public, service = kind == "mobile", kind == "service"
    scopes = {"catalogue:read"} if service else {"orders:read", "orders:write", "catalogue:read"}
    registered = clients.add(
        admin,
        Registration(
            client_id=client_id,
            name=name,
            kind=kind,
            auth_methods=frozenset({"none"} if public else {"client_secret_basic", "client_secret_post"}),
            grants=frozenset({"client_credentials"} if service else {"password", "refresh_token"}),
            scopes=frozenset(scopes),
            default_scopes=None if service else frozenset({"orders:read", "orders:write"}),
            late_retries=1 if public else 0,
            retry_window=0 if public else None,
            contacts=frozenset({"team@example.com"}),
        ),
    )
    return App(client_id, registered.secret)


def _make_sessions(server: LiveServer, data: SampleData) -> None:
    """People sign in and refresh, some mistype their password, and a thief uses one token."""
    with server.http() as http:
        for number, name in enumerate(_PEOPLE[:8]):
            device, agent, address = _DEVICES[number % len(_DEVICES)]
            someone = Person("", name, _PASSWORD)
            _sign_in(_at(http, data.web if number % 3 else data.mobile, agent, address), someone, device)
        for device, agent, address in _DEVICES:
            data.sessions.append(_sign_in(_at(http, data.web, agent, address), data.person, device)[0])
        signed_in = (
            _at(http, data.web, _CHROME, "198.51.100.7").sign_in(data.person, device_name="Library, 2nd floor").json()
        )
        _at(http, data.web, _CHROME, "198.51.100.7").revoke(signed_in["refresh_token"])
        for password in ("letmein", "Password1", "the sample data needs another"):
            wrong = _at(http, data.web, _CHROME, "192.0.2.66").sign_in(Person("", "lucia", password))
            data.references.append(wrong.json()["reference"])
        _delay_strangers(server.setup)
        _at(http, data.service, "curl/8.5", "192.0.2.10").own_token()
        data.references.append(
            _at(http, App("invoices", "not-the-secret"), "curl/8.5", "192.0.2.10").own_token().json()["reference"]
        )
        thief, victim = (
            _at(http, data.mobile, "okhttp/4.12", "192.0.2.66"),
            _at(http, data.mobile, _IPHONE, "203.0.113.5"),
        )
        data.stolen, stolen = _sign_in(victim, Person("", "hana", _PASSWORD), "Hana's iPhone")
        # Two generations later the first token cannot be an honest retry.
        newer = victim.refresh(stolen).json()["refresh_token"]
        victim.refresh(newer)
        data.references.append(thief.refresh(stolen).json()["reference"])


def _delay_strangers(setup: Setup) -> None:
    """As if strangers had failed very often at lucia's name, and some minutes ago from one place."""
    setup.sql("UPDATE throttle_buckets SET empty_at = empty_at + 20 * 900000 WHERE kind = 3 AND empty_at > 0")
    setup.sql("UPDATE throttle_strangers SET failures = 140, empty_at = empty_at + 40 * 900000 WHERE failures > 0")


def _at(http: httpx.Client, app: App, agent: str, address: str) -> OAuth:
    return OAuth(http, app, {"User-Agent": agent, "X-Forwarded-For": address})


def _sign_in(oauth: OAuth, person: Person, device: str | None) -> tuple[str, str]:
    more = {} if device is None else {"device_name": device}
    response = oauth.sign_in(person, **more)
    assert response.status_code == 200, response.text
    tokens = response.json()
    return str(claims(tokens["access_token"])["sid"]), str(tokens["refresh_token"])


def _make_activity(setup: Setup) -> None:
    """The activity of a day: quiet at night, busy at noon, and a storm of wrong passwords some hours ago."""
    now = time.time_ns() // 1_000_000 // BUCKET_MS
    rows = []
    for age in range(1, 24 * 12):
        at = (now - age) * BUCKET_MS
        busy = 1.2 - math.cos((at / 3_600_000 % 24) * math.pi / 12)
        wave = 1 + 0.25 * math.sin(age * 1.7)
        figures = {
            "sign_in": 6 * busy * wave,
            "refresh.rotated": 90 * busy * (1 + 0.1 * math.sin(age * 0.9)),
            "refresh.kept": 2 * busy,
            "refresh.retried": 1.5 * busy * wave,
            "refusal.wrong_password": 60 if 50 < age < 56 else busy * wave,
            "refusal.expired": 0.8 * busy,
            "sessions.active": 420 + 160 * busy,
        }
        rows += [{"at": at, "name": name, "count": int(value)} for name, value in figures.items() if int(value)]
    setup.transaction(lambda connection: connection.execute(insert(ActivityRecord), rows))
