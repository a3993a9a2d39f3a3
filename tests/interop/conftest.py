"""Fixtures: a live server, a live server for each algorithm, and the example API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.interop.programs import ExampleApi
from tests.support.oauth import App, Person
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import make_setup

AUDIENCE = "http://127.0.0.1:8001"
OTHER_AUDIENCE = "https://other.example.com"
SCOPES = {"profile:read", "profile:write", "other:read"}


@contextmanager
def _serving(directories: pytest.TempPathFactory, algorithm: str = "ES256") -> Iterator[LiveServer]:
    setup = make_setup("sqlite", directories.mktemp("server"))
    setup.an_api(AUDIENCE, "profile:read profile:write")
    setup.an_api(OTHER_AUDIENCE, "other:read")
    server = ForkedServer(setup, AUTHSERVER_TOKENS__ALGORITHM=algorithm).start()
    try:
        yield server
    finally:
        server.stop()
        setup.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A live server for all tests of this folder. Each test makes its own client and user."""
    with _serving(tmp_path_factory) as started:
        yield started


@pytest.fixture(scope="session", params=["ES256", "EdDSA", "RS256"])
def signing_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A live server for each signing algorithm."""
    with _serving(tmp_path_factory, request.param) as started:
        yield started


@pytest.fixture(scope="session")
def api(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    """The example API, accepting the tokens of `server`."""
    started = ExampleApi(server.url, AUDIENCE, tmp_path_factory.mktemp("api") / "api.log")
    yield started
    assert started.stop() == 0


@pytest.fixture
def app(server: LiveServer) -> App:
    """A confidential client. It has no retry window, so each refresh rotates and no test gets the same token twice."""
    return server.setup.an_app(scopes=SCOPES, retry_window=0)


@pytest.fixture
def person(server: LiveServer) -> Person:
    return server.setup.a_person()
