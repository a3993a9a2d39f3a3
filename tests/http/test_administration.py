"""The effects of administration on apps and users: what is taken away stays away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from authserver.administration import apis, clients, keys, pruning, sessions, users
from authserver.administration.apis import Plan
from authserver.administration.clients import registration_of
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, Invalid, NotFound
from authserver.administration.users import Profile
from authserver.clients.fields import Registration
from authserver.keys.model import Kind
from authserver.settings.values import CacheSettings, RetentionSettings
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, claims, refused_as
from tests.support.setup import API, Setup

pytestmark = on_both_databases

OTHER = "https://other.example.com"


@pytest.fixture
def admin(setup: Setup) -> Administration:
    """An administrator of nodes that notice changes within a tenth of a second and keep no ended sessions."""
    settings = setup.with_settings(
        caches=CacheSettings(max_age=0.1), retention=RetentionSettings(ended_sessions=0, prune_batch=2)
    )
    return Administration(setup.database, settings, "cli:tester")


def sign_in(oauth: OAuth, person: Person) -> tuple[str, str]:
    """A refresh token and its session's id."""
    body = oauth.sign_in(person).json()
    return body["refresh_token"], claims(body["access_token"])["sid"]


def held_scopes(setup: Setup, session_id: str) -> set[str]:
    return set(setup.session(session_id).scopes.split())


def test_a_disabled_client_stops_and_enabling_it_restores_no_session(
    admin: Administration, oauth: OAuth, person: Person
):
    token, _ = sign_in(oauth, person)
    assert clients.disable(admin, oauth.app.client_id) == 1
    clients.enable(admin, oauth.app.client_id)
    assert refused_as(oauth.refresh(token), "invalid_grant")
    assert oauth.sign_in(person).status_code == 200


def test_disabling_a_disabled_client_is_refused_and_says_so(admin: Administration, setup: Setup):
    app = setup.an_app()
    clients.disable(admin, app.client_id)
    with pytest.raises(Conflict, match="disabled already"):
        clients.disable(admin, app.client_id)


def test_the_id_of_a_removed_client_is_free_only_when_its_sessions_are_pruned(
    admin: Administration, setup: Setup, oauth: OAuth, person: Person
):
    _, session_id = sign_in(oauth, person)
    registration = registration_of(clients.find(admin, oauth.app.client_id))
    clients.remove(admin, oauth.app.client_id)
    with pytest.raises(Conflict, match="belongs to a removed client"):
        clients.add(admin, registration)
    setup.back_date(session_id, 86_400)
    setup.sql("UPDATE clients SET changed_at = changed_at - 61000")  # no sign-in can still be running
    assert list(pruning.prune(admin))[-1].erased == 1
    assert clients.add(admin, registration).secret is not None


def test_a_taken_client_id_is_refused(admin: Administration, setup: Setup):
    registration = registration_of(clients.find(admin, setup.an_app().client_id))
    with pytest.raises(Conflict, match="is taken"):
        clients.add(admin, registration)


def test_two_secrets_are_good_during_a_rotation_and_one_after_it(admin: Administration, oauth: OAuth, setup: Setup):
    secret = clients.rotate_secret(admin, oauth.app.client_id, overlap=3600)
    newer = oauth.as_app(type(oauth.app)(oauth.app.client_id, secret))
    assert [app.own_token().status_code for app in (oauth, newer)] == [200, 200]
    clients.rotate_secret(admin, oauth.app.client_id, overlap=0)
    row = clients.find(admin, oauth.app.client_id)
    assert (row.previous_secret_digest, row.previous_secret_expires_at) == (None, None)


def test_a_public_client_has_no_secret_to_rotate(admin: Administration, setup: Setup):
    with pytest.raises(Conflict, match="public"):
        clients.rotate_secret(admin, setup.an_app(public=True).client_id, overlap=0)


def test_a_client_that_becomes_confidential_gets_a_secret_and_one_that_becomes_public_loses_it(
    admin: Administration, setup: Setup
):
    client_id = setup.an_app(public=True).client_id
    made = clients.edit(admin, client_id, lambda r: _with(r, auth_methods=frozenset({"client_secret_basic"})))
    assert made.secret is not None
    made = clients.edit(admin, client_id, lambda r: _with(r, auth_methods=frozenset({"none"})))
    assert (made.secret, made.row.secret_digest) == (None, None)


def test_no_role_is_given_that_leaves_no_room_for_scopes_in_a_token(admin: Administration, setup: Setup):
    """Once a user got so many that every refresh was refused, because an access token would have been too long."""
    many = {f"team:{number:03d}:".ljust(64, "x") for number in range(79)}
    person = setup.a_person(roles=" ".join(sorted(many)))
    with pytest.raises(Invalid, match="5064 characters together, and 5000 fit"):
        users.edit(admin, person.username, lambda before: replace(before, roles=before.roles | {"new:role"}))
    with pytest.raises(Invalid, match="5056 characters together, and 5000 fit"):
        users.add(admin, Profile("anna", None, frozenset(many)), None)
    edited = users.edit(admin, person.username, lambda before: replace(before, email="anna@example.com"))
    assert edited.roles == many, "what a user has already may stay"
    users.add(admin, Profile("anna", None, frozenset(sorted(many)[1:])), None)


def test_a_password_reset_ends_all_sessions_and_the_new_password_signs_in(
    admin: Administration, oauth: OAuth, person: Person
):
    tokens = [sign_in(oauth, person)[0] for _ in range(2)]
    assert users.set_password(admin, person.username, "another password") == 2
    assert all(refused_as(oauth.refresh(token), "invalid_grant") for token in tokens)
    assert refused_as(oauth.sign_in(person), "invalid_grant")
    assert oauth.sign_in(Person(person.id, person.username, "another password")).status_code == 200


def test_a_disabled_user_is_signed_out_and_enabling_restores_no_session(
    admin: Administration, oauth: OAuth, person: Person
):
    token, _ = sign_in(oauth, person)
    assert users.disable(admin, person.username) == 1
    assert refused_as(oauth.sign_in(person), "invalid_grant")
    users.enable(admin, person.username)
    assert refused_as(oauth.refresh(token), "invalid_grant")
    assert oauth.sign_in(person).status_code == 200


def test_a_removed_user_is_signed_out_and_the_name_is_free_again(admin: Administration, oauth: OAuth, person: Person):
    token, _ = sign_in(oauth, person)
    assert users.remove(admin, person.username) == 1
    assert refused_as(oauth.refresh(token), "invalid_grant")
    assert users.add(admin, Profile(person.username, None, frozenset()), "a new password").id != UUID(person.id)


def test_a_lost_role_takes_its_scope_out_of_the_session_and_a_regained_one_does_not_bring_it_back(
    admin: Administration, setup: Setup, oauth: OAuth
):
    apis.edit(admin, API, lambda plan: _plan(plan, write=frozenset({"editor"}), read=frozenset()))
    person = setup.a_person(roles="editor")
    token, session_id = sign_in(oauth, person)
    assert held_scopes(setup, session_id) == {"read", "write"}
    users.edit(admin, person.username, lambda p: Profile(p.username, p.email, frozenset()))
    users.edit(admin, person.username, lambda p: Profile(p.username, p.email, frozenset({"editor"})))
    assert held_scopes(setup, session_id) == {"read"}
    assert oauth.refresh(token).json()["scope"] == "read"


def test_names_and_addresses_are_taken_in_any_case(admin: Administration):
    users.add(admin, Profile("Anna", "Anna@example.com", frozenset()), "a password")
    for profile in (Profile("ANNA", None, frozenset()), Profile("Bea", "anna@EXAMPLE.com", frozenset())):
        with pytest.raises(Conflict, match="is taken"):
            users.add(admin, profile, "a password")


def test_a_user_name_cannot_look_like_an_id(admin: Administration, person: Person):
    with pytest.raises(Invalid, match="form of an id"):
        users.add(admin, Profile(person.id, None, frozenset()), "a password")


def test_a_removed_scope_does_not_come_back_into_sessions_when_it_is_registered_again(
    admin: Administration, setup: Setup, oauth: OAuth, person: Person
):
    _, session_id = sign_in(oauth, person)
    edited = apis.edit(admin, API, lambda plan: _plan(plan, read=frozenset()))
    assert edited.sessions == 1
    apis.edit(admin, API, lambda plan: _plan(plan, read=frozenset(), write=frozenset()))
    assert held_scopes(setup, session_id) == {"read"}


def test_a_scope_whose_removal_is_still_on_its_way_is_given_out_again_only_when_it_has_arrived(
    admin: Administration, setup: Setup, oauth: OAuth, person: Person
):
    _, session_id = sign_in(oauth, person)
    # As if the server crashed between the removal and its sweep.
    setup.sql("DELETE FROM scopes WHERE scope = 'write'")
    setup.sql("UPDATE apis SET narrowed_at = :now", now=setup.database.now())
    apis.add(admin, Plan(OTHER, "Other", None, {"write": frozenset()}))
    assert held_scopes(setup, session_id) == {"read"}


def test_the_removal_of_an_api_that_was_interrupted_goes_on_when_it_is_run_again(
    admin: Administration, setup: Setup, oauth: OAuth, person: Person
):
    _, session_id = sign_in(oauth, person)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apis.remove(admin, API, interrupt)
    assert apis.find(admin, API).scopes == {}
    apis.remove(admin, API)
    assert held_scopes(setup, session_id) == set()
    with pytest.raises(NotFound):
        apis.find(admin, API)


def test_the_default_api_of_a_client_cannot_be_removed(admin: Administration, setup: Setup):
    setup.an_app(default_api=API)
    with pytest.raises(Conflict, match="--no-default-api"):
        apis.remove(admin, API)


def test_a_scope_has_one_owner(admin: Administration):
    with pytest.raises(Conflict, match="belongs to"):
        apis.add(admin, Plan(OTHER, "Other", None, {"read": frozenset()}))


def test_all_sessions_of_a_client_end_and_it_goes_on(admin: Administration, oauth: OAuth, setup: Setup):
    tokens = [sign_in(oauth, person)[0] for person in (setup.a_person(), setup.a_person(), setup.a_person())]
    which = sessions.whose(admin, user=None, client=oauth.app.client_id)
    assert sessions.revoke_all(admin, which) == 3
    assert all(refused_as(oauth.refresh(token), "invalid_grant") for token in tokens)
    assert oauth.sign_in(setup.a_person()).status_code == 200


def test_only_the_sessions_of_the_named_user_with_the_named_client_end(
    admin: Administration, oauth: OAuth, setup: Setup, person: Person
):
    other = oauth.as_app(setup.an_app())
    ours, theirs = sign_in(oauth, person)[0], sign_in(other, person)[0]
    which = sessions.whose(admin, user=person.username, client=oauth.app.client_id)
    assert sessions.revoke_all(admin, which) == 1
    assert refused_as(oauth.refresh(ours), "invalid_grant")
    assert other.refresh(theirs).status_code == 200


def test_a_leaked_key_that_is_not_in_use_yet_is_never_used(admin: Administration, oauth: OAuth):
    for kind in Kind:
        (following,) = [row for row in keys.find_all(admin) if (row.kind, row.state) == (kind, "next")]
        keys.mark_leaked(admin, following.id)
        (row,) = [row for row in keys.find_all(admin) if row.id == following.id]
        assert (row.state, row.sealed) == ("gone", None)
        assert any((row.kind, row.state) == (kind, "next") for row in keys.find_all(admin))


def test_a_refused_act_leaves_no_event(admin: Administration, setup: Setup):
    with pytest.raises(Conflict):
        apis.add(admin, Plan(OTHER, "Other", None, {"read": frozenset()}))
    with pytest.raises(NotFound):
        users.disable(admin, "nobody")
    assert setup.sql("SELECT event FROM audit_events WHERE actor = 'cli:tester'") == []


def test_every_act_leaves_its_event(admin: Administration, setup: Setup):
    app, person = setup.an_app(), setup.a_person()
    clients.disable(admin, app.client_id)
    clients.enable(admin, app.client_id)
    clients.rotate_secret(admin, app.client_id, overlap=0)
    clients.remove(admin, app.client_id)
    users.disable(admin, person.username)
    users.enable(admin, person.username)
    users.set_password(admin, person.username, "another password")
    users.remove(admin, person.username)
    recorded = setup.sql("SELECT event FROM audit_events WHERE actor = 'cli:tester' ORDER BY id")
    assert [row.event for row in recorded] == [
        "client.disabled", "client.enabled", "client.secret_rotated", "client.removed",
        "user.disabled", "user.enabled", "user.password_set", "user.removed",
    ]  # fmt: skip


def _with(registration: Registration, **changes: Any) -> Registration:
    return replace(registration, **changes)


def _plan(plan: Plan, **scopes: frozenset[str]) -> Plan:
    return Plan(plan.audience, plan.name, plan.client_id, scopes)
