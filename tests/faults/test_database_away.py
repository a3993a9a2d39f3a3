"""A database that does not answer: nobody waits longer than one time-out, and it is told from a failure."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import Connection

from authserver.app import create_app
from authserver.settings import CacheSettings
from tests.support.oauth import refused_as
from tests.support.stage import Stage

METADATA = "/.well-known/oauth-authorization-server"
CALLERS = 30  # so many that one after the other cannot be mistaken for a slow machine

Get = Callable[[str], httpx.Response]


@pytest.fixture
def get(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Get, Callable[[], Connection]]]:
    """An app with one connection, caches that are always too old, and what takes that connection away."""
    monkeypatch.setattr("tempfile.tempdir", str(stage.directory))
    database = stage.settings.database.model_copy(update={"pool_size": 1, "timeout": 1})
    app = create_app(stage.with_settings(database=database, caches=CacheSettings(max_age=1e-6)))
    engine = app.extensions["authserver"].database.engine
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=stage.settings.issuer) as http:
        yield http.get, engine.connect
    engine.dispose()


def test_the_metadata_are_temporarily_unavailable_and_nobody_waits_for_the_others(
    get: tuple[Get, Callable[[], Connection]],
):
    get_one, take_the_connection = get
    assert get_one(METADATA).status_code == 200
    with take_the_connection():
        began = time.monotonic()
        with ThreadPoolExecutor(CALLERS) as callers:
            answers = list(callers.map(get_one, [METADATA] * CALLERS))
        waited = time.monotonic() - began
    for answer in answers:
        assert refused_as(answer, "temporarily_unavailable", 503)
        assert answer.headers["retry-after"] == "1"
    assert waited < CALLERS / 2, "one after the other: each waited for the time-outs of all before it"
    assert get_one(METADATA).status_code == 200
