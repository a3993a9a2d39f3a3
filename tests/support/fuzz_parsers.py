"""Every parser of bytes from outside, as a function that says whether the parser accepts some bytes.

Each catches what its parser may raise. Any other exception is a bug. What a parser accepts has to keep its promise.
"""

from __future__ import annotations

import base64
import io
from ipaddress import ip_address, ip_network
from typing import get_args
from urllib.parse import urljoin, urlsplit

from flask import Flask, Request

from authserver.admin_api.problems import Problem
from authserver.admin_api.reading import read_document, read_query
from authserver.admin_api.routes import ROUTES
from authserver.administration import csv_records, users_lines
from authserver.administration.errors import Invalid
from authserver.clients.authentication import client_secret_basic
from authserver.clients.origins import origin_problem
from authserver.oauth.messages import HttpRequest, tags_in
from authserver.oauth.request import TokenRequest
from authserver.operations.proxies import TrustedProxies
from authserver.pages import addresses, forms, visits
from authserver.pages.cookies import Cookie
from authserver.passwords import imported
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.refusals.references import References, Refusal
from authserver.sessions import refresh_token
from authserver.settings.values import ForwardedHeader
from authserver.web_apps.cookies import read_cookie
from tests.support.foreign_hashes import HASHES
from tests.support.fuzz_library import LIBRARY, Parser

_APP = Flask("fuzzed")
_MODELS = [route.body for route in ROUTES if route.body is not None]


def _refresh_token(data: bytes) -> bool:
    text = data.decode("latin-1")
    try:
        parsed = refresh_token.parse(text)
    except refresh_token.Malformed:
        return False
    assert parsed.encode() == text  # each token has one spelling
    return True


def _basic(data: bytes) -> bool:
    try:
        presented = client_secret_basic.read(data.decode("latin-1"), {})
    except Refused:
        return False
    assert presented is None or presented.client_id
    return True


def _form(data: bytes) -> bool:
    fields = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        read = TokenRequest(HttpRequest("POST", "/token", "", fields, lambda: data))
    except Refused:
        return False
    assert all(value and "\0" not in name + value for name, value in read.form.items() if name != "device_name")
    assert len(read.form) <= 100
    return True


def _content_type(data: bytes) -> bool:
    try:
        TokenRequest(HttpRequest("POST", "/token", "", {"Content-Type": data.decode("latin-1")}, lambda: b"a=b"))
    except Refused:
        return False
    return True


def _app_cookie(data: bytes) -> bool:
    try:
        value = read_cookie(data.decode("latin-1"), "authserver-rt-app")
    except Refused:
        return False
    assert value is None or ";" not in value
    return True


def _page_cookie(data: bytes) -> bool:
    request = Request({"HTTP_COOKIE": data.decode("latin-1")})
    value = Cookie.of("authserver", "http://127.0.0.1").read(request)
    parts = None if value is None else visits._decode(value)
    assert parts is None or len(parts[1]) == 32
    return parts is not None


def _csv(data: bytes) -> bool:
    try:
        found = list(users_lines.read(io.BytesIO(data), "csv"))
    except Invalid:
        return False
    assert all(isinstance(entry, users_lines.Given | users_lines.Problem) for entry in found)
    return True


def _csv_cells(data: bytes) -> bool:
    source = io.BytesIO(data)
    try:
        for line, cells in csv_records.read_records(source, csv_records.read_header(source)):
            assert line > 1
            assert cells
    except csv_records.BrokenRecord:
        return False
    return True


def _json_lines(data: bytes) -> bool:
    for entry in users_lines.read(io.BytesIO(data), "jsonl"):
        assert isinstance(entry, users_lines.Given | users_lines.Problem)
    return True


def _document(data: bytes) -> bool:
    accepted = False
    for model in _MODELS:
        try:
            accepted = bool(read_document(data, model)) or accepted
        except Problem:
            continue
    return accepted


def _query(data: bytes) -> bool:
    accepted = False
    with _APP.request_context({"REQUEST_METHOD": "GET", "QUERY_STRING": data.decode("latin-1"), **_SERVER}):
        for model in {route.query for route in ROUTES}:
            try:
                accepted = bool(read_query(model)) or accepted
            except Problem:
                continue
    return accepted


def _forwarded(data: bytes) -> bool:
    for header in get_args(ForwardedHeader):
        proxies = TrustedProxies(_APP.wsgi_app, [ip_network("0.0.0.0/0"), ip_network("::/0")], header)
        address = proxies.client_address("127.0.0.1", data.decode("latin-1"))
        assert not address or ip_address(address) is not None
    return True


def _accept(data: bytes) -> bool:
    fields = dict.fromkeys(("Accept", "Accept-Encoding", "If-None-Match"), data.decode("latin-1"))
    request = HttpRequest("GET", "/status/0", "", fields, lambda: b"")
    assert request.accepted("application/a", "text/b") in (None, "application/a", "text/b")
    assert request.accepts_gzip in (True, False)
    assert request.has("a") == (request.known_tags.contains_weak("a"))
    return True


def _if_match(data: bytes) -> bool:
    assert not any('"' in tag for tag in tags_in(data.decode("latin-1")).as_set(include_weak=True))
    return True


def _hash(data: bytes) -> bool:
    try:
        imported.read(data.decode("latin-1"))
    except ValueError:
        return False
    return True


def _reference(data: bytes) -> bool:
    try:
        References(b"k" * 32).open(data.decode("latin-1"))
    except ValueError:
        return False
    return True


def _next_page(data: bytes) -> bool:
    address = addresses.local(data.decode("latin-1"), "", "/base")
    resolved = urlsplit(urljoin("https://login.example.com/base/account/sign-in", address))
    assert (resolved.scheme, resolved.netloc) == ("https", "login.example.com")
    assert resolved.path.startswith("/base/")
    return bool(address)


def _form_token(data: bytes) -> bool:
    return forms.matches(b"k" * 32, data.decode("latin-1"))


def _origin(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    return origin_problem(text) is None


_SERVER = {"SERVER_NAME": "a", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "PATH_INFO": "/"}
_TOKEN = b"asrt_" + base64.urlsafe_b64encode(b"\1" + bytes(range(71)))
_REFERENCE = References(b"k" * 32).seal(Refusal(Reason.INTERNAL, 1)).encode()
_BASIC = base64.b64encode(b"an-app:a%20secret")

PARSERS = (
    Parser("refresh token", _refresh_token, (_TOKEN,)),
    Parser("Basic", _basic, (b"Basic " + _BASIC, b"basic  " + _BASIC)),
    Parser("form", _form, (b"grant_type=password&username=a%20b&password=%C3%A9+x&resource=a&resource=b&device_name=%ff",)),
    Parser("type of a form", _content_type, (b"application/x-www-form-urlencoded; charset=utf-8",)),
    Parser("cookie of an app", _app_cookie, (b'a=b; authserver-rt-app=asrt_x; c="d"',)),
    Parser("cookie of a page", _page_cookie, (b"authserver=" + b"A" * 64 + b"; a=b", b'authserver="' + b"A" * 63 + b'\\101"')),
    Parser("users in CSV", _csv, (b'username,email,roles\na,"b@example.com",c d\n"""x""",,\n', b"sep=;\nusername;email\n=\"x\";'=1\n")),
    Parser("records of CSV", _csv_cells, (b'a,b\n"c\nd",e\r\n', b"a\tb\nc\td")),
    Parser("users in JSON lines", _json_lines, (b'{"username":"a","roles":["b"],"enabled":true}\n{"email":"c@example.com"}\n',)),
    Parser("JSON of the admin API", _document, (b'{"username":"a","email":null,"roles":["b"],"subject":"c"}', b'{"roles":["a"]}')),
    Parser("query of the admin API", _query, (b"limit=5&cursor=abc&since=2026-01-01T00%3A00%3A00Z",)),
    Parser("forwarded address", _forwarded, (b'for="[2001:db8::1]:80";proto=https, for=1.2.3.4', b"1.2.3.4, ::1, unknown")),
    Parser("Accept", _accept, (b"text/html;q=0.8, application/*;q=.5, */*;q=0", b'W/"a-gzip", "b"', b"gzip;q=0.5, *")),
    Parser("If-Match", _if_match, (b'W/"a-gzip", "b--gzip"', b"*", b'""')),
    Parser("imported hash", _hash, tuple(encoded.encode("latin-1") for encoded in HASHES.values())),
    Parser("reference", _reference, (_REFERENCE,)),
    Parser("next page", _next_page, (b"/base/account/sessions?a=b%20c", b"/base/admin/users/x/edit")),
    Parser("token of a form", _form_token, (forms.make(b"k" * 32).encode(),)),
    Parser("origin", _origin, (b"https://app.example.com:8443", b"http://[::1]:3000")),
    *LIBRARY,
)  # fmt: skip
