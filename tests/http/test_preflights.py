"""Preflights: which headers a page may add to its requests."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from flask import Flask

from authserver.app import create_app
from authserver.settings.values import WebAppSettings
from tests.support.setup import ISSUER, Setup

ORIGIN = "https://app.example.com"
METADATA = "/.well-known/oauth-authorization-server"


@pytest.fixture
def http(setup: Setup, app: Flask) -> Iterator[httpx.Client]:
    """A client of the app, and one registered origin."""
    setup.an_app(public=True, origins=frozenset({ORIGIN}))
    with httpx.Client(transport=httpx.WSGITransport(app), base_url=ISSUER) as client:
        yield client


def asked_headers(http: httpx.Client, path: str, name: str) -> set[str]:
    """The headers that a page which wants to send this one may add."""
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": name}
    answer = http.options(path, headers=asked)
    assert answer.status_code == 204
    return set(answer.headers["access-control-allow-headers"].lower().split(", "))


@pytest.mark.parametrize("path", ["/token", "/revoke", "/sessions", "/sessions/x"])
@pytest.mark.parametrize(
    "name", ["traceparent", "sentry-trace", "baggage", "x-datadog-trace-id", "newrelic", "x-b3-traceid"]
)
def test_a_preflight_allows_the_headers_of_tracing(http: httpx.Client, path: str, name: str):
    allowed = asked_headers(http, path, name)
    assert {name, "authorization", "content-type"} <= allowed
    assert "x-evil" not in allowed
    assert "*" not in allowed


@pytest.mark.parametrize("path", ["/.well-known/jwks.json", METADATA, "/status", "/status/0"])
def test_a_preflight_of_a_public_document_allows_them_to_every_origin(http: httpx.Client, path: str):
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    answer = http.options(path, headers=asked)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert "traceparent" in answer.headers["access-control-allow-headers"]


def test_the_headers_that_pages_may_add_are_a_setting(setup: Setup, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    setup.an_app(public=True, origins=frozenset({ORIGIN}))
    app = create_app(setup.with_settings(web_apps=WebAppSettings(request_headers=["X-Own"])))
    with httpx.Client(transport=httpx.WSGITransport(app), base_url=setup.settings.issuer) as http:
        assert asked_headers(http, "/token", "x-own") == {"authorization", "content-type", "x-own"}
    app.extensions["authserver"].database.dispose()
