"""Malformed input of every kind at /token and /revoke: the RFC's error JSON, the right status, and nothing changed."""

import httpx
import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.oauth import OAuth, Person, refused_as
from tests.support.server import LiveServer
from tests.support.setup import Setup
from tests.support.snapshot import contents

FORM = "application/x-www-form-urlencoded"

#: Additions to a good body. Each is refused, even though the rest of the request is good.
APPENDED = {
    "broken percent": b"&x=%ZZ",
    "cut percent": b"&x=%E",
    "percent in a name": b"&%=x",
    "broken UTF-8": b"&x=%ff%fe",
    "cut UTF-8": b"&x=%E0%A4",
    "overlong UTF-8": b"&x=%C0%80",
    "a surrogate": b"&x=%ED%A0%80",
    "raw bytes": b"&x=\xff\xfe",
    "a NUL": b"&x=%00",
    "a raw NUL": b"&x=\0",
    "a NUL in a name": b"&x%00=y",
    "too many parameters": b"".join(b"&x%d=" % n for n in range(101)),
    "a repeated unknown parameter": b"&x=1&x=1",
    "a repeated empty parameter": b"&x=&x=",
}


@pytest.fixture
def bodies(oauth: OAuth, person: Person) -> dict[str, bytes]:
    """A good body for each endpoint."""
    refresh_token = oauth.sign_in(person).json()["refresh_token"].encode()
    return {"/token": b"grant_type=refresh_token&refresh_token=" + refresh_token, "/revoke": b"token=" + refresh_token}


def send(oauth: OAuth, path: str, body: bytes, **headers: str) -> httpx.Response:
    return oauth.http.post(path, content=body, headers={"Content-Type": FORM, **oauth.app.basic, **headers})


def all_are_good(oauth: OAuth, bodies: dict[str, bytes]) -> bool:
    return all(send(oauth, path, body).status_code == 200 for path, body in bodies.items())


def test_broken_bodies_are_refused_and_change_nothing(oauth: OAuth, setup: Setup, bodies: dict[str, bytes]):
    before = contents(setup)
    for path, body in bodies.items():
        for what, appended in APPENDED.items():
            assert refused_as(send(oauth, path, body + appended), "invalid_request"), (path, what)
            assert refused_as(send(oauth, path, appended[1:] + b"&" + body), "invalid_request"), (path, what)
    assert contents(setup) == before
    assert all_are_good(oauth, bodies)


def test_a_repeated_parameter_is_refused_even_with_the_same_value(oauth: OAuth, setup: Setup, bodies: dict[str, bytes]):
    before = contents(setup)
    for path, body in bodies.items():
        name = oauth.app.client_id.encode()
        for pair in (*body.split(b"&"), b"client_id=" + name, b"scope=read", b"token_type_hint=x", b"device_name=x"):
            rest = b"&".join(other for other in body.split(b"&") if other != pair)
            assert refused_as(send(oauth, path, b"&".join([rest, pair, pair])), "invalid_request"), pair
    assert contents(setup) == before
    assert all_are_good(oauth, bodies)


def test_an_escaped_name_is_the_same_parameter(oauth: OAuth, bodies: dict[str, bytes]):
    assert refused_as(send(oauth, "/token", bodies["/token"] + b"&grant%5ftype=password"), "invalid_request")
    assert send(oauth, "/token", bodies["/token"].replace(b"grant_type", b"grant%5ftype")).status_code == 200


def test_resource_alone_may_repeat(oauth: OAuth, bodies: dict[str, bytes]):
    resource = b"&resource=https%3A%2F%2Fapi.example.com"
    assert send(oauth, "/token", bodies["/token"] + resource * 2).status_code == 200


def test_any_query_string_is_refused(oauth: OAuth, setup: Setup, bodies: dict[str, bytes]):
    before = contents(setup)
    for path, body in bodies.items():
        for query in ("scope=read", "x", "=", "%ff", "grant_type=refresh_token", "client_id=" + oauth.app.client_id):
            assert refused_as(send(oauth, f"{path}?{query}", body), "invalid_request")
        assert refused_as(send(oauth, f"{path}?{body.decode()}", b""), "invalid_request")
    assert contents(setup) == before
    assert all_are_good(oauth, bodies)


def test_credentials_in_the_query_string_do_not_authenticate(oauth: OAuth, bodies: dict[str, bytes]):
    query = httpx.QueryParams(client_id=oauth.app.client_id, client_secret=oauth.app.secret)
    answer = oauth.http.post(f"/token?{query}", content=bodies["/token"], headers={"Content-Type": FORM})
    assert refused_as(answer, "invalid_request")


def test_another_content_type_is_refused(oauth: OAuth, setup: Setup, bodies: dict[str, bytes]):
    before = contents(setup)
    types = ["application/json", "text/plain", "multipart/form-data; boundary=x", "", "x", FORM + "; charset=utf-16"]
    for path, body in bodies.items():
        for content_type in types:
            assert refused_as(send(oauth, path, body, **{"Content-Type": content_type}), "invalid_request"), (
                content_type
            )
        assert refused_as(oauth.http.post(path, content=body, headers=oauth.app.basic), "invalid_request")
        assert refused_as(oauth.http.post(path, json={"grant_type": "x"}, headers=oauth.app.basic), "invalid_request")
        assert refused_as(oauth.http.post(path, files={"token": b"x"}, headers=oauth.app.basic), "invalid_request")
    assert contents(setup) == before
    assert all(
        send(oauth, p, b, **{"Content-Type": FORM + ";charset=UTF-8"}).status_code == 200 for p, b in bodies.items()
    )


def test_an_oversized_body_is_413(oauth: OAuth, setup: Setup, bodies: dict[str, bytes]):
    before = contents(setup)
    room = setup.settings.server.max_body_bytes
    for path, body in bodies.items():
        padding = b"&x=" + b"A" * room
        assert refused_as(send(oauth, path, body + padding), "invalid_request", 413)
    assert contents(setup) == before
    assert all(send(oauth, p, (b + b"&x=").ljust(room, b"A")).status_code == 200 for p, b in bodies.items())


def test_long_values_are_refused_for_what_they_are(oauth: OAuth, setup: Setup, person: Person):
    long = "A" * 60_000
    before = contents(setup)
    assert refused_as(oauth.token(grant_type="password", username=long, password="x"), "invalid_grant")
    assert refused_as(oauth.token(grant_type="password", username=person.username, password=long), "invalid_grant")
    assert refused_as(oauth.token(grant_type="refresh_token", refresh_token=long), "invalid_grant")
    assert refused_as(oauth.own_token(scope=long), "invalid_scope")
    assert refused_as(oauth.own_token(resource=long), "invalid_target")
    assert refused_as(oauth.token(grant_type=long), "unsupported_grant_type")
    assert refused_as(oauth.http.post("/token", data={"grant_type": "password", "client_id": long}), "invalid_client")
    assert contents(setup) == before


def test_two_authentications_and_broken_basic_are_refused_and_change_nothing(
    oauth: OAuth, setup: Setup, bodies: dict[str, bytes]
):
    before = contents(setup)
    for path, body in bodies.items():
        assert refused_as(send(oauth, path, body + b"&client_secret=x"), "invalid_request")
        assert refused_as(send(oauth, path, body + b"&client_id=another"), "invalid_request")
        for broken in ("Basic", "Basic %%%", "Basic YQ==", "Basic //86/w==", "Bearer x"):
            assert refused_as(send(oauth, path, body, Authorization=broken), "invalid_client", 401), broken
    assert contents(setup) == before
    assert all_are_good(oauth, bodies)


NAMES = st.sampled_from(
    ["grant_type", "username", "password", "refresh_token", "client_id", "client_secret", "scope", "resource", "token"]
)
VALUES = st.one_of(
    st.sampled_from([b"password", b"refresh_token", b"client_credentials", b"read", b""]), st.binary(max_size=40)
)
PAIRS = st.lists(st.tuples(NAMES.map(str.encode), VALUES).map(b"=".join), max_size=8).map(b"&".join)
HEADER_TEXT = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=60)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    path=st.sampled_from(["/token", "/revoke"]),
    body=st.one_of(PAIRS, st.binary(max_size=200)),
    content_type=st.one_of(st.just(FORM), HEADER_TEXT),
    authorization=st.one_of(st.none(), st.just("Basic "), HEADER_TEXT, HEADER_TEXT.map("Basic ".__add__)),
    agent=HEADER_TEXT,
)
@example(path="/revoke", body=b"token=W1tbW1tb.e30.AA", content_type=FORM, authorization=None, agent="")
def test_no_request_at_all_is_a_server_error(
    app: Flask, setup: Setup, path: str, body: bytes, content_type: str, authorization: str | None, agent: str
):
    environ = {
        "CONTENT_TYPE": content_type,
        "HTTP_USER_AGENT": agent,
    }  # by WSGI's own variables, because httpx sends ASCII only
    if authorization is not None:
        environ["HTTP_AUTHORIZATION"] = authorization
    before = contents(setup)
    sent = app.test_client().post(path, data=body, environ_overrides=environ)
    answer = httpx.Response(sent.status_code, headers=dict(sent.headers), content=sent.data)
    assert 400 <= answer.status_code < 500
    assert refused_as(answer, answer.json()["error"], answer.status_code)
    assert contents(setup) == before


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(path=st.sampled_from(["/token", "/revoke"]), body=PAIRS, token=st.binary(max_size=60))
def test_no_request_of_a_known_client_is_a_server_error(oauth: OAuth, path: str, body: bytes, token: bytes):
    answer = send(oauth, path, b"&".join(filter(None, [body, b"token=" + token])))
    assert answer.status_code < 500
    assert answer.status_code == 200 or refused_as(answer, answer.json()["error"], answer.status_code)


def test_a_live_server_refuses_raw_requests_in_json(live: LiveServer, setup: Setup):
    app = setup.an_app()
    authorization = f"Authorization: {app.basic['Authorization']}\r\n"
    body = "grant_type=client_credentials"

    def request(head: str, sent: str | bytes = body) -> tuple[int, str]:
        content = sent.encode() if isinstance(sent, str) else sent
        length = f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        return live.raw(f"POST /token HTTP/1.1\r\nHost: x\r\n{head}{length}".encode("latin-1") + content)

    form = f"Content-Type: {FORM}\r\n"
    assert request(form + authorization)[0] == 200
    refused: list[tuple[int, tuple[int, str]]] = [
        (400, request(form + authorization * 2)),
        (400, request(form * 2 + authorization)),
        (401, request(form + "Authorization: \xff\r\n")),
        (400, request(form + "Authorization: a\0b\r\n")),
        (400, request(form + authorization, body.encode() + b"&x=\xff\0")),
        (413, request(form + authorization, body + "&x=" + "A" * 70_000)),
        (400, request(form + authorization + "Transfer-Encoding: gzip\r\n")),
        (431, request(form + authorization + f"X: {'A' * 20_000}\r\n")),
    ]
    for expected, (status, answer) in refused:
        assert status == expected, answer
        assert '"error": "invalid_' in answer
        assert "cache-control: no-store" in answer.lower()
        assert "x-content-type-options: nosniff" in answer.lower()
