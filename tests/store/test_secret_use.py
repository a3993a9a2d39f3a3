"""The server notes the last use of each client secret, so that a rotation can wait until the old one is unused."""

import time
from dataclasses import replace
from typing import Any

import pytest

from authserver.administration import clients as admin_clients
from authserver.administration.context import Administration
from authserver.operations.housekeeping import Housekeeping
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth
from tests.support.setup import Setup

pytestmark = on_both_databases


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "cli:test")


def row_of(setup: Setup, app: App) -> Any:
    (row,) = setup.sql("SELECT * FROM clients WHERE client_id = :id", id=app.client_id)
    return row


def test_the_use_of_a_secret_is_noted(oauth: OAuth, setup: Setup, housekeeping: Housekeeping):
    began = time.time() * 1000 - 1000
    assert oauth.own_token().status_code == 200
    assert row_of(setup, oauth.app).secret_used_at is None, "the request itself writes nothing"
    changed_at = row_of(setup, oauth.app).changed_at
    housekeeping.flush()
    row = row_of(setup, oauth.app)
    assert row.secret_used_at >= began
    assert row.previous_secret_used_at is None
    assert row.changed_at == changed_at, "it is not a change of the client"


def test_a_wrong_secret_is_no_use(oauth: OAuth, setup: Setup, housekeeping: Housekeeping):
    assert oauth.as_app(App(oauth.app.client_id, "wrong")).own_token().status_code == 401
    housekeeping.flush()
    assert row_of(setup, oauth.app).secret_used_at is None
    assert oauth.own_token().status_code == 200
    housekeeping.flush()
    assert row_of(setup, oauth.app).secret_used_at is not None


def test_after_a_rotation_it_shows_which_secret_is_in_use(
    oauth: OAuth, setup: Setup, housekeeping: Housekeeping, admin: Administration
):
    assert oauth.own_token().status_code == 200
    housekeeping.flush()
    used_at = row_of(setup, oauth.app).secret_used_at
    secret = admin_clients.rotate_secret(admin, oauth.app.client_id, overlap=3600)
    row = row_of(setup, oauth.app)
    assert (row.secret_used_at, row.previous_secret_used_at) == (None, used_at)
    assert oauth.as_app(App(oauth.app.client_id, secret)).own_token().status_code == 200
    housekeeping.flush()
    row = row_of(setup, oauth.app)
    assert row.secret_used_at >= used_at
    assert row.previous_secret_used_at == used_at


def test_a_use_noted_before_a_rotation_is_written_to_the_secret_that_it_was(
    oauth: OAuth, setup: Setup, housekeeping: Housekeeping, admin: Administration
):
    assert oauth.own_token().status_code == 200
    admin_clients.rotate_secret(admin, oauth.app.client_id, overlap=3600)
    housekeeping.flush()
    row = row_of(setup, oauth.app)
    assert row.secret_used_at is None
    assert row.previous_secret_used_at is not None


def test_a_use_is_written_once_in_a_few_minutes_and_only_forward(
    oauth: OAuth, setup: Setup, housekeeping: Housekeeping, statements: Any
):
    later = int(time.time() * 1000) + 86_400_000
    setup.sql("UPDATE clients SET secret_used_at = :at WHERE client_id = :id", at=later, id=oauth.app.client_id)
    assert oauth.own_token().status_code == 200
    housekeeping.flush()
    assert row_of(setup, oauth.app).secret_used_at == later
    assert oauth.own_token().status_code == 200
    with statements.counted() as seen:
        housekeeping.flush()
    assert seen == [], "a second use within minutes is not written"


def test_a_client_that_becomes_public_forgets_its_secrets_use(
    oauth: OAuth, setup: Setup, housekeeping: Housekeeping, admin: Administration
):
    assert oauth.own_token().status_code == 200
    housekeeping.flush()
    none, refresh = frozenset({"none"}), frozenset({"refresh_token"})
    admin_clients.edit(admin, oauth.app.client_id, lambda before: replace(before, auth_methods=none, grants=refresh))
    assert row_of(setup, oauth.app).secret_used_at is None
