"""A page of an allowed origin can read that a worker is busy: otherwise its app sees a failed network."""

import asyncio
from typing import Any

import pytest
from flask import Flask

from authserver.serving.presence import Presence
from authserver.serving.wsgi import WSGIBridge
from tests.conftest import Statements
from tests.support.oauth import OAuth
from tests.support.setup import Setup

PAGE = "https://shop.example.com"
FOR_PAGES = ("access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers", "vary")


def busy(app: Flask, path: str, origin: str | None) -> dict[str, str]:
    """The headers of the 503 that the bridge gives a request for which it does no work."""
    bridge = WSGIBridge(app, threads=1, on_start=lambda: None, hints=app.extensions["authserver"].hints)
    left = Presence(is_gone=lambda: True)
    scope: Any = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "raw_path": path.encode(),
        "path": path, "query_string": b"", "headers": [(b"origin", origin.encode())] if origin else [],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "presence": left,
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: Any) -> None:
        sent.append(event)

    asyncio.run(asyncio.wait_for(bridge(scope, receive, send), 60))
    assert sent[0]["status"] == 503
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def for_pages(headers: Any) -> dict[str, str]:
    return {name: headers[name] for name in FOR_PAGES if name in headers}


@pytest.fixture
def page(setup: Setup, oauth: OAuth) -> OAuth:
    registered = setup.an_app(public=True, kind="browser", origins=frozenset({PAGE}), token_delivery="both_cookies")
    return OAuth(oauth.http, registered, {"Origin": PAGE})


@pytest.mark.parametrize("path", ["/token", "/revoke", "/sessions", "/sessions/1"])
def test_a_busy_worker_answers_a_page_as_other_refusals_do(page: OAuth, app: Flask, statements: Statements, path: str):
    refused = page.refresh("no token")
    assert refused.status_code == 400
    with statements.counted() as seen:
        assert for_pages(busy(app, path, PAGE)) == for_pages(refused.headers)
        assert for_pages(busy(app, path, "https://elsewhere.example.com")) == {"vary": "Origin"}
        assert for_pages(busy(app, path, None)) == {"vary": "Origin"}
    assert seen == []


def test_a_worker_that_starts_knows_the_origins(page: OAuth, setup: Setup, a_node: Any, app: Flask):
    del page
    started = a_node(setup.settings.caches).http._transport.app
    assert for_pages(busy(started, "/token", PAGE))["access-control-allow-origin"] == PAGE
    assert "access-control-allow-origin" not in for_pages(busy(app, "/token", PAGE)), "it saw no request of the client"


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/status/0", {"access-control-allow-origin": "*"}), ("/introspect", {}), ("/account/", {}), ("/tokens", {})],
)
def test_a_busy_worker_opens_no_other_address_to_pages(page: OAuth, app: Flask, path: str, expected: dict[str, str]):
    assert page.refresh("no token").status_code == 400
    assert for_pages(busy(app, path, PAGE)) == expected
