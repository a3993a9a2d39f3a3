"""A refusal whose audit event cannot be written is still answered as the refusal that it is, and is counted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from flask import Flask
from prometheus_client import REGISTRY

from authserver.app import create_app
from authserver.records.refusals import RefusalRecorder
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth, Person, refused_as
from tests.support.setup import STALE, Setup

pytestmark = on_both_databases


@pytest.fixture
def impatient_app(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """An app that waits for a lock of the database only for a short time."""
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    made = create_app(setup.impatient(caches=STALE))
    yield made
    made.extensions["authserver"].database.dispose()


@pytest.fixture
def oauth(impatient_app: Flask, setup: Setup) -> Iterator[OAuth]:
    transport = httpx.WSGITransport(impatient_app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=setup.settings.issuer) as http:
        yield OAuth(http, setup.an_app())


@contextmanager
def no_events(setup: Setup) -> Iterator[None]:
    """Let no transaction write audit events until the end of the block."""
    with setup.database.transaction() as connection:  # on SQLite it has the one write lock
        if not setup.database.is_sqlite:
            connection.exec_driver_sql("LOCK TABLE audit_events IN EXCLUSIVE MODE")
        yield


def not_recorded() -> float:
    return REGISTRY.get_sample_value("authserver_not_recorded_total", {"where": "audit"}) or 0.0


Ask = Callable[[OAuth, Person], httpx.Response]
REFUSED = {
    "client.refused": ("invalid_client", lambda oauth, _: oauth.as_app(App(oauth.app.client_id, "wrong")).own_token()),
    "sign_in.refused": (
        "invalid_grant",
        lambda oauth, person: oauth.token(grant_type="password", username=person.username, password="wrong"),
    ),
}


@pytest.mark.parametrize("event", REFUSED)
def test_a_refusal_stays_a_refusal_when_its_event_cannot_be_written(
    setup: Setup, oauth: OAuth, impatient_app: Flask, person: Person, event: str
):
    error, ask = REFUSED[event]
    if setup.database.is_sqlite and event == "sign_in.refused":
        with no_events(setup):  # on SQLite it stops all writes
            assert refused_as(ask(oauth, person), "temporarily_unavailable", 503), "what is not charged is not checked"
        return
    status = {"invalid_client": 401, "invalid_grant": 400}[error]
    assert refused_as(ask(oauth, person), error, status)
    assert len(setup.events(event)) == 1
    before = not_recorded()
    with no_events(setup):
        answers = [ask(oauth, person) for _ in range(2)]
    assert all(refused_as(answer, error, status) and answer.json()["reference"] for answer in answers)
    assert len(setup.events(event)) == 1
    assert not_recorded() == before + 1, "the second did not even try: it would have waited for the database too"
    recorder: RefusalRecorder = impatient_app.extensions["authserver"].oauth.services.audit
    recorder._admitted._rate = 1e9  # as if a long time had passed
    assert refused_as(ask(oauth, person), error, status)
    assert '"not_recorded_before": 2' in setup.events(event)[-1].detail


def test_an_act_whose_event_cannot_be_written_is_not_done(setup: Setup, oauth: OAuth, person: Person):
    assert oauth.sign_in(person).status_code == 200
    with no_events(setup):
        assert refused_as(oauth.sign_in(person), "temporarily_unavailable", 503)
    assert setup.sql("SELECT count(*) AS n FROM sessions")[0].n == 1
