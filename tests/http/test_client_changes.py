"""A change of a client takes effect on every node within the age of its cache, and revives no session."""

import pytest
from pydantic import ValidationError

from authserver.administration import clients as admin_clients
from authserver.administration.context import Administration
from authserver.refusals.reasons import Reason
from authserver.settings.values import CacheSettings
from tests.support.databases import on_both_databases
from tests.support.hasher import until
from tests.support.oauth import App, Person, refused_as
from tests.support.setup import STALE, ANode, Setup
from tests.support.token_answer import reason, token_answer

pytestmark = on_both_databases

QUICK = CacheSettings(max_age=0.2)


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "cli:test")


def test_no_cache_may_be_older_than_5_seconds():
    assert CacheSettings().max_age <= 5
    with pytest.raises(ValidationError):
        CacheSettings(max_age=5.001)


# --- disabling -------------------------------------------------------------------------------------------------------


def test_a_disabled_client_stops_within_the_age_of_the_cache(a_node: ANode, person: Person, setup: Setup):
    node = a_node(QUICK)
    token = token_answer(node.sign_in(person)).refresh_token
    setup.end_epoch(node.app.client_id, enabled=False)
    until(lambda: node.own_token().status_code == 401)
    for answer in (node.own_token(), node.sign_in(person), node.refresh(token), node.revoke(token)):
        assert refused_as(answer, "invalid_client", 401)
        assert reason(setup, answer) is Reason.CLIENT_DISABLED


def test_a_client_that_is_enabled_again_works_at_once(a_node: ANode, person: Person, admin: Administration):
    node = a_node(STALE)
    admin_clients.disable(admin, node.app.client_id)
    assert refused_as(node.sign_in(person), "invalid_client", 401)
    admin_clients.enable(admin, node.app.client_id)
    assert node.sign_in(person).status_code == 200


def test_enabling_a_client_again_restores_no_session(a_node: ANode, person: Person, setup: Setup):
    token = token_answer(a_node(STALE).sign_in(person))
    setup.end_epoch(a_node(STALE).app.client_id, enabled=True)
    fresh = a_node(STALE)
    refused = fresh.refresh(token.refresh_token)
    assert refused_as(refused, "invalid_grant")
    assert reason(setup, refused) is Reason.SESSION_CLIENT_EPOCH, "no sweep has reached the row yet"
    assert setup.session(token.session_id).revoked_at is None
    assert token_answer(fresh.sign_in(person)).session_id != token.session_id


def test_the_sweep_of_a_disabled_client_ends_its_sessions_on_nodes_that_have_not_noticed(
    a_node: ANode, person: Person, admin: Administration, setup: Setup
):
    node = a_node(STALE)
    token = token_answer(node.sign_in(person))
    assert admin_clients.disable(admin, node.app.client_id) == 1
    assert reason(setup, node.refresh(token.refresh_token)) is Reason.SESSION_REVOKED
    assert setup.session(token.session_id).revoked_because == "client_ended"


def test_a_removed_client_is_gone_with_its_sessions(a_node: ANode, person: Person, admin: Administration, setup: Setup):
    token = token_answer(a_node(STALE).sign_in(person))
    node = a_node(STALE)
    admin_clients.remove(admin, node.app.client_id)
    assert refused_as(node.refresh(token.refresh_token), "invalid_client", 401)
    assert setup.session(token.session_id).revoked_because == "client_ended"


# --- a cache that is behind ------------------------------------------------------------------------------------------


def test_a_node_that_has_not_noticed_a_new_epoch_signs_no_new_session_out(a_node: ANode, person: Person, setup: Setup):
    behind, fresh = a_node(STALE), a_node(STALE)
    assert behind.own_token().status_code == 200, "it has the client of the first epoch now"
    setup.end_epoch(behind.app.client_id, enabled=True)
    first = token_answer(fresh.sign_in(person))
    second = token_answer(behind.refresh(first.refresh_token))
    assert token_answer(behind.refresh(first.refresh_token)).refresh_token == second.refresh_token
    assert setup.session(first.session_id).revoked_at is None


def test_a_sign_in_on_a_node_that_is_behind_opens_a_session_of_the_present_epoch(
    a_node: ANode, person: Person, setup: Setup
):
    behind, fresh = a_node(STALE), a_node(STALE)
    assert behind.own_token().status_code == 200
    setup.end_epoch(behind.app.client_id, enabled=True)
    token = token_answer(behind.sign_in(person))
    assert fresh.refresh(token.refresh_token).status_code == 200


def test_a_sign_in_on_a_node_that_is_behind_opens_no_session_of_a_disabled_client(
    a_node: ANode, person: Person, setup: Setup
):
    behind = a_node(STALE)
    assert behind.own_token().status_code == 200
    setup.end_epoch(behind.app.client_id, enabled=False)
    assert reason(setup, behind.sign_in(person)) is Reason.CLIENT_DISABLED
    assert setup.sql("SELECT id FROM sessions") == []


# --- secrets and new clients -----------------------------------------------------------------------------------------


def test_a_new_client_works_at_once_where_its_id_was_unknown_a_moment_ago(a_node: ANode, setup: Setup):
    node = a_node(STALE).as_app(App("brand-new", "ascs_secret"))
    assert refused_as(node.own_token(), "invalid_client", 401)
    setup.an_app(client_id="brand-new", secret="ascs_secret")
    assert node.own_token().status_code == 200


def test_two_secrets_are_valid_during_a_rotation_and_an_older_one_is_not(
    a_node: ANode, admin: Administration, setup: Setup
):
    node = a_node(QUICK)
    oldest = node.app
    assert node.own_token().status_code == 200
    middle, newest = (
        App(oldest.client_id, admin_clients.rotate_secret(admin, oldest.client_id, overlap=3600)) for _ in range(2)
    )
    assert node.as_app(newest).own_token().status_code == 200, "at once"
    assert node.as_app(middle).own_token().status_code == 200
    until(lambda: node.as_app(oldest).own_token().status_code == 401)
    setup.sql("UPDATE clients SET previous_secret_expires_at = 1")
    until(lambda: node.as_app(middle).own_token().status_code == 401)
    assert node.as_app(newest).own_token().status_code == 200


def test_a_client_that_lost_the_refresh_grant_refreshes_no_more(a_node: ANode, person: Person, setup: Setup):
    node = a_node(QUICK)
    token = token_answer(node.sign_in(person))
    setup.sql("UPDATE clients SET grants = 'password'")
    until(lambda: node.refresh(token.refresh_token).status_code == 400)
    assert refused_as(node.refresh(token.refresh_token), "unauthorized_client")
    assert setup.session(token.session_id).revoked_at is None


@pytest.mark.parametrize(
    ("before", "after", "age"),
    [
        ({"retry_window": 0}, {"retry_window": 30}, 1),
        ({"late_retries": 0}, {"late_retries": 1}, 31),
    ],
)
def test_a_node_that_has_not_noticed_more_patience_ends_no_session_for_reuse(
    a_node: ANode, person: Person, setup: Setup, before: dict[str, int], after: dict[str, int], age: int
):
    behind, other = a_node(STALE), a_node(STALE)
    app = setup.an_app(**before)
    behind, other = behind.as_app(app), other.as_app(app)
    first = token_answer(behind.sign_in(person))
    setup.change_app(app.client_id, **after)
    assert other.refresh(first.refresh_token).status_code == 200
    setup.back_date(first.session_id, age)
    assert behind.refresh(first.refresh_token).status_code == 200
    assert setup.session(first.session_id).revoked_at is None


def test_a_node_that_has_not_noticed_a_change_still_finds_reuse_out(a_node: ANode, person: Person, setup: Setup):
    behind = a_node(STALE)
    behind = behind.as_app(setup.an_app(retry_window=0))
    first = token_answer(behind.sign_in(person))
    second = token_answer(behind.refresh(first.refresh_token))
    assert behind.refresh(second.refresh_token).status_code == 200
    setup.change_app(behind.app.client_id, retry_window=30)
    assert reason(setup, behind.refresh(first.refresh_token)) is Reason.TOKEN_REUSED
    assert setup.session(first.session_id).revoked_because == "reuse"


# --- one copy for a whole request ------------------------------------------------------------------------------------


def test_a_grant_that_was_given_a_moment_ago_works_at_once(a_node: ANode, person: Person, setup: Setup):
    node = a_node(STALE).as_app(setup.an_app(grants={"password"}))
    assert node.sign_in(person).status_code == 200, "it has the client as it was"
    setup.change_app(node.app.client_id, grants=frozenset({"password", "client_credentials"}))
    assert node.own_token().status_code == 200


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ({"grants": {"password"}}, {"grants": frozenset({"client_credentials"})}, {}),
        ({"scopes": {"read"}}, {"scopes": frozenset({"read", "write"})}, {"scope": "write"}),
    ],
    ids=["grant", "scope"],
)
def test_a_secret_that_was_replaced_gets_nothing_by_the_copy_that_replaced_it(
    a_node: ANode,
    admin: Administration,
    setup: Setup,
    before: dict[str, set[str]],
    after: dict[str, frozenset[str]],
    wanted: dict[str, str],
):
    """Once the old copy accepted the secret, and the new copy granted the request without checking the secret."""
    behind = a_node(STALE).as_app(setup.an_app(**before))
    app = behind.app
    assert behind.revoke("x").status_code == 200, "it has the client as it was"
    setup.change_app(app.client_id, **after)
    replaced = admin_clients.rotate_secret(admin, app.client_id, overlap=0)
    assert refused_as(behind.own_token(**wanted), "invalid_client", 401)
    assert behind.as_app(App(app.client_id, replaced)).own_token(**wanted).status_code == 200


def test_a_refresh_that_met_a_newer_client_grants_no_more_than_that_one_may(
    a_node: ANode, person: Person, setup: Setup
):
    behind, fresh = a_node(STALE), a_node(STALE)
    assert behind.own_token().status_code == 200, "it has the client of the first epoch now"
    setup.end_epoch(behind.app.client_id, enabled=True)
    first = token_answer(fresh.sign_in(person))
    assert first.body["scope"] == "read write"
    setup.change_app(behind.app.client_id, scopes=frozenset({"read"}))
    assert token_answer(behind.refresh(first.refresh_token)).body["scope"] == "read"


def test_a_second_look_at_scopes_changes_nothing_else_of_a_token(a_node: ANode, person: Person, setup: Setup):
    app = setup.an_app(access_token_lifetime=60, scopes={"read"})
    behind, fresh = a_node(STALE).as_app(app), a_node(STALE).as_app(app)
    assert behind.own_token().status_code == 200, "it has the client as it was"
    setup.change_app(app.client_id, access_token_lifetime=3600, scopes=frozenset({"read", "write"}))
    first = token_answer(fresh.sign_in(person))
    refreshed = token_answer(behind.refresh(first.refresh_token))
    assert (first.body["scope"], first.body["expires_in"]) == ("read write", 3600)
    assert (refreshed.body["scope"], refreshed.body["expires_in"]) == ("read write", 60)
