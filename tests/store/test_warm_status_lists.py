"""A list that was asked for stays young without further requests, and is dropped if none come."""

import pytest

from authserver.app import create_app
from authserver.settings.values import StatusSettings
from authserver.tokens.status_list import StatusLists
from tests.support.databases import on_both_databases
from tests.support.hasher import until
from tests.support.setup import STALE, Setup
from tests.support.some_sessions import some_sessions

pytestmark = on_both_databases


def test_a_list_is_rebuilt_by_a_worker_that_gets_no_requests(setup: Setup, monkeypatch: pytest.MonkeyPatch):
    """Once a worker with few requests answered with a list from before the last one, if the database took its time."""
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    worker = create_app(setup.with_settings(caches=STALE, status=StatusSettings(ttl=1))).extensions["authserver"]
    lists = worker.oauth.services.status_lists
    setup.sql("UPDATE status_counter SET next_index = 1")
    first = lists.get(0)
    assert first is not None
    worker.housekeeping.start()
    until(lambda: lists._lists[0].built_at > first.built_at)
    some_sessions(setup, 1, status_index=0, revoked_at=setup.database.now(), revoked_because="signed_out")
    until(lambda: lists._lists[0].version != first.version)
    worker.housekeeping.stop()
    worker.database.dispose()


def test_a_list_that_nobody_asks_for_is_dropped(setup: Setup, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    worker = create_app(setup.with_settings(caches=STALE)).extensions["authserver"]
    setup.sql("UPDATE status_counter SET next_index = 1")
    lists = StatusLists(worker.database, worker.keyring, "https://as.example.com", ttl=8, lifetime=60, warm=0)
    assert lists.get(0)
    assert lists.has(0)
    lists.keep_warm()
    assert not lists.has(0)
    assert lists.get(0), "the next request waits for a new one"
    worker.database.dispose()
