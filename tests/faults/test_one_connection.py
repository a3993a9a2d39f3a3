"""No request waits for a second connection while it holds one: a full pool would then wait for itself."""

import httpx
import pytest

from authserver.app import create_app
from authserver.settings.values import CacheSettings
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, claims, refused_as
from tests.support.setup import Setup

pytestmark = on_both_databases


@pytest.fixture
def oauth(setup: Setup, monkeypatch: pytest.MonkeyPatch):
    """An app that has one connection, and caches that are always too old."""
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    database = setup.settings.database.model_copy(update={"pool_size": 1, "timeout": 10})
    app = create_app(setup.with_settings(database=database, caches=CacheSettings(max_age=1e-6)))
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=setup.settings.issuer) as http:
        yield OAuth(http, setup.an_app(late_retries=1))
    app.extensions["authserver"].database.dispose()


def test_a_session_is_opened_and_ended_over_one_connection(oauth: OAuth, person: Person):
    signed_in = oauth.sign_in(person, scope="read")
    assert signed_in.status_code == 200
    assert oauth.revoke(signed_in.json()["access_token"]).status_code == 200
    assert refused_as(oauth.refresh(signed_in.json()["refresh_token"]), "invalid_grant")


def test_every_kind_of_refresh_is_answered_over_one_connection(oauth: OAuth, person: Person, setup: Setup):
    signed_in = oauth.sign_in(person).json()
    first, session_id = signed_in["refresh_token"], claims(signed_in["access_token"])["sid"]
    rotated = oauth.refresh(first, scope="read")
    kept = oauth.refresh(rotated.json()["refresh_token"], scope="read", resource="https://api.example.com")
    retried = oauth.refresh(first, scope="write")
    assert [rotated.status_code, kept.status_code, retried.status_code] == [200, 200, 200]
    setup.back_date(session_id, 31)
    second = kept.json()["refresh_token"]
    assert oauth.refresh(second).status_code == 200
    setup.back_date(session_id, 31)
    assert oauth.refresh(second, scope="read").status_code == 200, "a late retry"
    assert refused_as(oauth.refresh(first), "invalid_grant")


def test_a_refresh_after_scopes_were_taken_away_looks_again_over_one_connection(
    oauth: OAuth, person: Person, setup: Setup
):
    token = oauth.sign_in(person).json()["refresh_token"]
    setup.sql("DELETE FROM scopes WHERE scope = 'write'")
    refreshed = oauth.refresh(token, resource="https://api.example.com")
    assert refreshed.status_code == 200
    assert refreshed.json()["scope"] == "read"
