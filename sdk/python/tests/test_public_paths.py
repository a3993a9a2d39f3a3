"""An attacker without a token tries to pass the ASGI middleware by its public paths."""

import asyncio
from urllib.parse import unquote

import pytest

from authserver_resource.asgi import AccessTokenMiddleware
from authserver_resource.gate import Gate

FILES = ["secret", "healthz", "health/live"]


def status_of(app, path, token=None, **scope):
    """Return the status of the answer. Decode the path as servers do: a client library would normalize it first."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():  # the client stays connected and sends nothing more
        await asyncio.Event().wait()

    headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    request = {"type": "http", "method": "GET", "path": unquote(path), "query_string": b"", "headers": headers}
    asyncio.run(app(request | scope, receive, send))
    return sent[0].get("status", sent[0]["type"])


@pytest.fixture
def pages(tmp_path):
    """An application with two pages and a folder of files, which resolves ".." as file systems do."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    async def page(request):
        return PlainTextResponse(request.url.path)

    (tmp_path / "health").mkdir()
    for name in FILES:
        (tmp_path / name).write_text(name)
    return Starlette(routes=[Route("/", page), Route("/health", page), Mount("/", StaticFiles(directory=tmp_path))])


@pytest.fixture
def protected(pages, verifier):
    """Return a function that makes the application with these public paths."""

    def make(*public):
        return AccessTokenMiddleware(pages, Gate(verifier), public=public)

    return make


@pytest.mark.parametrize("written", ["/health", "/health/"])
def test_a_public_path_opens_itself_and_what_is_below(protected, issuer, written):
    app = protected(written)
    assert [status_of(app, path) for path in ("/health", "/health/live")] == [200, 200]
    for path in ("/", "/secret", "/healthz"):
        assert (status_of(app, path), status_of(app, path, issuer.token())) == (401, 200)


@pytest.mark.parametrize(
    "path",
    [
        "/health/../secret",
        "/health/%2e%2e/secret",
        "/health/.%2E/secret",
        "/health%2f..%2fsecret",
        "/health//..//secret",
        "/health/live/../../secret",
        "/health/./../secret",
        "/health/../healthz",
    ],
)
def test_no_way_up_leads_out_of_a_public_path(protected, issuer, path):
    app = protected("/health")
    assert status_of(app, "/health/live") == 200
    assert status_of(app, path, issuer.token()) == 200  # the application finds the file
    assert status_of(app, path) == 401


@pytest.mark.parametrize(
    "path",
    [
        "//health",
        "/./health",
        "/Health",
        "/health%00",
        "/health%252f",
        "/health;/live",
        "/health%5c..%5csecret",
        "health",
        "/health/..%5csecret",
        "/secret?/health",
        "/secret/%2e%2e/health",
        "http://a/health",
        "",
    ],
)
def test_what_only_resembles_a_public_path_is_closed(protected, path):
    app = protected("/health")
    assert status_of(app, "/health") == 200
    assert status_of(app, path) == 401


@pytest.mark.parametrize("written", ["/", "//"])
def test_the_front_page_opens_nothing_below_it(protected, issuer, written):
    app = protected(written)
    assert status_of(app, "/") == 200
    for path in ("/secret", "/health", "/health/live"):
        assert (status_of(app, path), status_of(app, path, issuer.token())) == (401, 200)
    assert status_of(app, "//secret") == 401


def test_a_websocket_below_the_front_page_is_closed(protected):
    assert status_of(protected("/"), "/ws", type="websocket") == "websocket.close"


def test_a_path_that_begins_with_no_slash_is_refused(protected):
    for path in ("", "health"):
        with pytest.raises(ValueError, match=r'public: paths that begin with "/", as in \["/health"\]'):
            protected("/health", path)


def test_in_a_mount_a_public_path_is_a_route_or_a_whole_path(protected, issuer):
    from starlette.applications import Starlette
    from starlette.routing import Mount

    def mounted(public):
        return Starlette(routes=[Mount("/api", protected(public))])

    for public in ("/health", "/api/health"):
        for path in ("/api/health", "/api/health/live"):
            assert status_of(mounted(public), path) == 200
    assert status_of(mounted("/"), "/api/") == status_of(mounted("/api"), "/api/") == 200
    for public in ("/api/health", "/health", "/", "/api"):
        app = mounted(public)
        assert (status_of(app, "/api/secret"), status_of(app, "/api/secret", issuer.token())) == (401, 200)


@pytest.mark.parametrize("path", ["/v1/health", "/v1/health/live", "/health", "/health/live"])
def test_a_root_path_does_not_change_what_is_public(protected, path):
    """A server puts the root path before the path, or a proxy has removed it."""
    assert status_of(protected("/health"), path, root_path="/v1") == 200
    assert status_of(protected("/health"), "/v1/secret", root_path="/v1") == 401
    assert status_of(protected("/health"), "/v12/health", root_path="/v1") == 401
    assert status_of(protected("/health"), "/v1/v1/health", root_path="/v1") == 401


@pytest.mark.parametrize("public", ["/v1", "/v1/"])
def test_the_path_of_the_mount_opens_no_route_of_the_same_name(protected, public):
    assert status_of(protected(public), "/v1/", root_path="/v1") == 200
    assert status_of(protected(public), "/v1/v1/secret", root_path="/v1") == 401


@pytest.mark.parametrize("root_path", ["", "/v1"])
def test_the_metadata_are_served_behind_a_root_path(protected, root_path):
    path = "/.well-known/oauth-protected-resource"
    assert status_of(protected(), root_path + path, root_path=root_path) == 200
    assert status_of(protected(), "/v2" + path, root_path=root_path) == 401


@pytest.mark.parametrize("root_path", ["/health", "/health/v1"])
def test_a_root_path_in_or_below_a_public_path_opens_no_page_of_the_application(protected, issuer, root_path):
    app = protected("/health")
    assert status_of(app, "/health/live", root_path="/api") == 200
    path = f"{root_path}/secret"  # the application removes the root path, so this is its page /secret
    assert status_of(app, path, issuer.token(), root_path=root_path) == 200
    assert status_of(app, path, root_path=root_path) == 401


@pytest.mark.parametrize("root_path", ["api", "/api"])
def test_the_front_page_opens_nothing_below_it_at_any_root_path(protected, issuer, root_path):
    app = protected("/")
    assert status_of(app, "/", root_path=root_path) == 200
    assert status_of(app, "/secret", issuer.token(), root_path=root_path) == 200
    assert status_of(app, "/secret", root_path=root_path) == 401
