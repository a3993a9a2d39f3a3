"""Fixtures: a setup on the marked databases, an app in this process, a live server, and a counter of SQL statements."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from sqlalchemy import event

from authserver.app import RunningApp, create_app
from authserver.settings.values import CacheSettings
from tests.support.console import an_administrator
from tests.support.memory import in_memory
from tests.support.missing_parts import missing, required
from tests.support.oauth import OAuth, Person
from tests.support.once import TemplatesOnce, compile_once
from tests.support.postgres import HOW, Cluster
from tests.support.postgres_programs import Unavailable, newest
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import STALE, ANode, Setup, make_setup
from tests.support.sql_functions import SqlOnPostgresql
from tests.support.visitor import Visitor

# No deadline: the time of an example depends on the load of the machine, not on the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

_TEMPLATES = TemplatesOnce()
compile_once()


def pytest_addoption(parser: pytest.Parser) -> None:
    proofs = parser.getgroup("proofs", "the proofs of tests/proofs")
    proofs.addoption("--short", action="store_true", help="run the proofs in the short form, as CI does")
    proofs.addoption("--seed", type=int, default=1, help="the seed of their random choices")


def pytest_configure(config: pytest.Config) -> None:
    if place := in_memory():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(place))  # where tmp_path is made
    if "everything" in required():
        config.pluginmanager.register(SqlOnPostgresql())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run over a skipped test if everything is required (TESTS_REQUIRE, as .ci/run sets it)."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if "everything" in required() and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once on each database of its mark (tests/support/databases.py). Its own mark wins over its file's."""
    mark = metafunc.definition.get_closest_marker("databases")
    if mark is not None and "setup" in metafunc.fixturenames:
        marks = {"postgresql": [pytest.mark.postgresql]}
        kinds = [pytest.param(kind, marks=marks.get(kind, [])) for kind in mark.args]
        metafunc.parametrize("setup", kinds, indirect=True)


@pytest.fixture
def setup(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Setup]:
    """A fresh database with the schema and one API: SQLite, or the databases of the test's mark."""
    made = make_setup(getattr(request, "param", "sqlite"), tmp_path)
    made.an_api()
    yield made
    made.close()


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """A PostgreSQL of one file, which may stop or kill it."""
    try:
        made = Cluster(newest(), place=in_memory())
    except Unavailable as reason:
        missing("postgresql", f"{reason}; {HOW}")
    yield made
    made.remove()


@pytest.fixture
def on_own_cluster(own_cluster: Cluster, tmp_path: Path) -> Iterator[Setup]:
    """A fresh database on it, with the schema and one API."""
    made = make_setup("postgresql", tmp_path, postgres=own_cluster)
    made.an_api()
    yield made
    made.close()


@pytest.fixture
def app(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The application in this process. Its caches never expire, so no test depends on its speed."""
    yield from _an_app(setup, monkeypatch, STALE)


@pytest.fixture
def quick_app(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The same with short caches, for acts that wait until all caches have noticed a change, as removing an API does."""
    yield from _an_app(setup, monkeypatch, CacheSettings(max_age=0.1))


def _an_app(setup: Setup, monkeypatch: pytest.MonkeyPatch, caches: CacheSettings) -> Iterator[Flask]:
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    made = create_app(setup.with_settings(caches=caches))
    made.jinja_env.bytecode_cache = _TEMPLATES
    yield made
    made.extensions["authserver"].database.dispose()


@pytest.fixture
def oauth(setup: Setup, app: Flask) -> Iterator[OAuth]:
    """A confidential client that speaks to the application in this process."""
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=setup.settings.issuer) as http:
        yield OAuth(http, setup.an_app())


@pytest.fixture
def a_node(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[ANode]:
    """Makes nodes on one database, each with caches of its own. All serve the same client."""
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    registered = setup.an_app()
    with ExitStack() as opened:

        def make(caches: CacheSettings) -> OAuth:
            app = create_app(setup.with_settings(caches=caches))
            opened.callback(app.extensions["authserver"].database.dispose)
            transport = httpx.WSGITransport(app, raise_app_exceptions=False)
            http = opened.enter_context(httpx.Client(transport=transport, base_url=setup.settings.issuer))
            return OAuth(http, registered)

        yield make


@pytest.fixture
def visitors(setup: Setup, app: Flask) -> Iterator[Callable[[], Visitor]]:
    """Browsers, each with cookies of its own, before the pages of the application in this process."""
    with ExitStack() as opened:

        def another() -> Visitor:
            transport = httpx.WSGITransport(app, raise_app_exceptions=False)
            http = httpx.Client(transport=transport, base_url=setup.settings.issuer)
            return Visitor(opened.enter_context(http), setup.settings.issuer)

        yield another


@pytest.fixture
def visitor(visitors: Callable[[], Visitor]) -> Visitor:
    """One browser, signed in nowhere."""
    return visitors()


@pytest.fixture
def console(setup: Setup, visitor: Visitor) -> Visitor:
    """The browser of an administrator, signed in."""
    visitor.sign_in(an_administrator(setup))
    return visitor


@pytest.fixture
def person(setup: Setup) -> Person:
    """A user."""
    return setup.a_person()


@pytest.fixture
def live(setup: Setup) -> Iterator[LiveServer]:
    """A live server with two workers."""
    server = ForkedServer(setup).start()
    yield server
    server.stop()


@pytest.fixture
def live_on_own_cluster(on_own_cluster: Setup) -> Iterator[LiveServer]:
    """The same on a PostgreSQL that the test may stop or kill."""
    server = ForkedServer(on_own_cluster).start()
    yield server
    server.stop()


class Statements:
    """The SQL that the application in this process ran."""

    def __init__(self, parts: RunningApp) -> None:
        self._engine = parts.database.engine

    @contextmanager
    def counted(self) -> Iterator[list[str]]:
        """Collect the statements of the block, without the begin and the end of transactions."""
        seen: list[str] = []

        def note(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: Any) -> None:
            if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
                seen.append(statement)

        event.listen(self._engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(self._engine, "before_cursor_execute", note)


@pytest.fixture
def statements(app: Flask) -> Statements:
    """Counts SQL: `with statements.counted() as seen: …; assert len(seen) == 1`."""
    return Statements(app.extensions["authserver"])
