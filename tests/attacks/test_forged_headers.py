"""Headers that anyone can write decide nothing: Host, X-Forwarded-*, Forwarded, the address behind proxies, and trailers."""

from collections.abc import Iterator
from ipaddress import ip_network
from urllib.parse import urlencode

import httpx
import pytest
from flask import Flask

from authserver.app import create_app
from tests.support.oauth import OAuth, Person, claims
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import ISSUER, Setup

METADATA = "/.well-known/oauth-authorization-server"
FORGED = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Server": "evil.example",
    "X-Original-URL": "/evil",
    "X-Rewrite-URL": "/evil",
    "X-Script-Name": "/evil",
    "Forwarded": "host=evil.example;proto=gopher",
    "X-HTTP-Method-Override": "DELETE",
}


@pytest.fixture(params=["x-forwarded-for"])
def behind_a_proxy(request: pytest.FixtureRequest, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[OAuth]:
    """An app at a server that trusts two networks of proxies; requests come from the inner one."""
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    networks = (ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"))
    made = create_app(setup.with_settings(trusted_proxies=networks, forwarded_header=request.param))
    transport = httpx.WSGITransport(made, remote_addr="10.0.0.1")
    with httpx.Client(transport=transport, base_url=ISSUER) as http:
        yield OAuth(http, setup.an_app())
    made.extensions["authserver"].database.dispose()


@pytest.fixture
def live_behind_a_proxy(setup: Setup) -> Iterator[LiveServer]:
    """A live server for which this machine is a trusted proxy."""
    server = ForkedServer(setup, AUTHSERVER_TRUSTED_PROXIES="127.0.0.1/32").start()
    yield server
    server.stop()


def chunked(form: dict[str, str], headers: dict[str, str], trailers: dict[str, str]) -> bytes:
    """A request to /token in one chunk, after which the server closes."""
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Transfer-Encoding": "chunked", "Connection": "close"}
    head, tail = (
        "".join(f"{n}: {v}\r\n" for n, v in part.items()) for part in ({"Host": "a", **sent, **headers}, trailers)
    )
    body = urlencode(form)
    return f"POST /token HTTP/1.1\r\n{head}\r\n{len(body):x}\r\n{body}\r\n0\r\n{tail}\r\n".encode()


def address_of_a_sign_in(
    oauth: OAuth, setup: Setup, person: Person, forwarded: str | None, header: str = "X-Forwarded-For"
) -> str | None:
    other = {"X-Forwarded-For": "Forwarded", "Forwarded": "X-Forwarded-For"}[header]
    spoofed = {"X-Real-IP": "6.6.6.6", other: "for=6.6.6.6" if other == "Forwarded" else "6.6.6.6"}
    oauth.headers = {} if forwarded is None else {header: forwarded, **spoofed}
    answer = oauth.sign_in(person)
    address: str | None = setup.session(claims(answer.json()["access_token"])["sid"]).last_address
    return address


def test_no_forged_host_shows_in_the_metadata(oauth: OAuth):
    honest = oauth.http.get(METADATA)
    assert honest.status_code == 200
    for name, value in FORGED.items():
        forged = oauth.http.get(METADATA, headers={name: value})
        assert (forged.status_code, forged.json()) == (200, honest.json()), name
    assert oauth.http.get(METADATA, headers=FORGED).json() == honest.json()


def test_no_forged_host_shows_in_a_token(oauth: OAuth, person: Person):
    honest = claims(oauth.sign_in(person).json()["access_token"])
    oauth.headers = FORGED
    answer = oauth.sign_in(person)
    forged = claims(answer.json()["access_token"])
    assert (forged["iss"], forged["aud"]) == (honest["iss"], honest["aud"])
    assert "evil" not in str(answer.headers)


def test_an_impossible_host_is_a_bad_request_at_worst(oauth: OAuth):
    for host in ("..", "x" * 300, "a b", "[::1", "evil.example:99999999", "@", "/", "?", "#", "", "%00"):
        answer = oauth.http.get(METADATA, headers={"Host": host})
        assert answer.status_code in {200, 400}, host
        assert answer.headers["content-type"] == "application/json"
        assert answer.json().get("issuer", ISSUER) == ISSUER


@pytest.mark.parametrize("path", ["/account/sign-in", "/admin/overview", "/admin/api/clients", "/healthz", "/token"])
def test_an_impossible_host_is_a_bad_request_everywhere(oauth: OAuth, path: str):
    honest = oauth.http.get(path)
    assert honest.status_code in {200, 303, 401, 405}
    for host in ("..", "127..0.1:8000", "x" * 300, "evil." + "x" * 64):
        for method in ("GET", "OPTIONS", "POST"):
            answer = oauth.http.request(method, path, headers={"Host": host})
            assert answer.status_code == 400, (method, host)
            assert answer.json()["error"] == "invalid_request"
            assert "no-store" in answer.headers["cache-control"]


def test_a_live_server_redirects_nobody_to_a_forged_host(live: LiveServer):
    for target in (
        "//token",
        "/token/",
        "//evil.example/token",
        "http://evil.example/token",
        "/./token",
        "/x/../token",
    ):
        status, answer = live.raw(
            f"POST {target} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
        )
        assert status in {400, 404}, answer
        assert "evil" not in answer.lower()


def test_without_trusted_proxies_the_address_is_the_peers(oauth: OAuth, app: Flask, setup: Setup, person: Person):
    assert address_of_a_sign_in(oauth, setup, person, None) == "127.0.0.1"
    transport = httpx.WSGITransport(app, remote_addr="192.0.2.1")
    elsewhere = OAuth(httpx.Client(transport=transport, base_url=ISSUER), oauth.app)
    assert address_of_a_sign_in(elsewhere, setup, person, None) == "192.0.2.1"
    for forwarded in ("6.6.6.6", "6.6.6.6, 127.0.0.1", "x" * 1000):
        assert address_of_a_sign_in(elsewhere, setup, person, forwarded) == "192.0.2.1"
        assert address_of_a_sign_in(oauth, setup, person, forwarded) is None, "a proxy here hides the user's address"


def test_behind_trusted_proxies_the_address_is_the_last_that_they_wrote(
    behind_a_proxy: OAuth, setup: Setup, person: Person
):
    expected = {
        None: "10.0.0.1",
        "198.51.100.7": "198.51.100.7",
        "198.51.100.7, 10.9.9.9": "198.51.100.7",
        "2001:db8:2::7,2001:DB8:1::9 , 10.9.9.9": "2001:db8:2::7",
    }
    for forwarded, address in expected.items():
        assert address_of_a_sign_in(behind_a_proxy, setup, person, forwarded) == address


def test_what_the_client_wrote_before_its_proxy_does_not_count(behind_a_proxy: OAuth, setup: Setup, person: Person):
    assert address_of_a_sign_in(behind_a_proxy, setup, person, "198.51.100.7") == "198.51.100.7"
    forged = {
        "6.6.6.6, 198.51.100.7": "198.51.100.7",
        "10.0.0.2, 198.51.100.7": "198.51.100.7",
        "6.6.6.6, 198.51.100.7, 10.9.9.9": "198.51.100.7",
        "6.6.6.6, nonsense": None,
        "6.6.6.6, unknown, 10.9.9.9": None,
        "6.6.6.6, 198.51.100.7:1234": "198.51.100.7",
    }
    for forwarded, address in forged.items():
        assert address_of_a_sign_in(behind_a_proxy, setup, person, forwarded) == address, forwarded


@pytest.mark.parametrize("behind_a_proxy", ["forwarded"], indirect=True)
def test_with_the_setting_forwarded_it_alone_counts(behind_a_proxy: OAuth, setup: Setup, person: Person):
    expected = {
        "for=198.51.100.7": "198.51.100.7",
        'for=6.6.6.6, For="198.51.100.7:1234";proto=https, for=10.9.9.9': "198.51.100.7",
        'for=", for="[2001:db8:2::7]:80"': "2001:db8:2::7",
        "for=6.6.6.6, for=_hidden": None,
    }
    for forwarded, address in expected.items():
        assert address_of_a_sign_in(behind_a_proxy, setup, person, forwarded, "Forwarded") == address, forwarded


def test_credentials_in_a_trailer_authenticate_no_client(live: LiveServer, setup: Setup):
    form, basic = {"grant_type": "client_credentials"}, setup.an_app().basic
    assert live.raw(chunked(form, basic, {}))[0] == 200
    assert live.raw(chunked(form, basic, {"X-Checksum": "1"}))[0] == 200
    for trailers in ({}, basic):
        assert live.raw(chunked(form, {}, trailers))[0] == 400


def test_an_address_in_a_trailer_is_not_recorded(live_behind_a_proxy: LiveServer, setup: Setup, person: Person):
    client = setup.an_app(public=True).client_id
    form = {"grant_type": "password", "client_id": client, "username": person.username, "password": person.password}
    proxys, forged = {"X-Forwarded-For": "198.51.100.7"}, {"X-Forwarded-For": "6.6.6.6"}
    for trailers in ({}, forged):
        assert live_behind_a_proxy.raw(chunked(form, proxys, trailers))[0] == 200
    assert {row.last_address for row in setup.sql("SELECT last_address FROM sessions")} == {"198.51.100.7"}
