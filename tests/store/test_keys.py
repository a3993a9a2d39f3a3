"""A leaked key proves nothing, and no node mistakes a token for a forgery."""

from uuid import UUID

import httpx
import pytest
from flask import Flask

from authserver.keys.keyring import Keyring
from authserver.keys.material import open_token_key
from authserver.keys.model import Kind
from authserver.keys.rotation import RotationRefused
from authserver.keys.setup import open_vault
from authserver.records.audit import Event
from authserver.sessions.refresh_token import issue
from authserver.settings.values import CacheSettings
from tests.support.databases import on_both_databases
from tests.support.keys import NEW, OLD, Node, keys, kid, published, rotation_of, settings_of, the_key, verified
from tests.support.oauth import Person, claims, refused_as
from tests.support.setup import Setup

pytestmark = on_both_databases

# --- leaks ------------------------------------------------------------------------------------------------------------


def test_a_leaked_signing_key_is_gone_at_once_and_nobody_is_signed_out(setup: Setup, node: Node, person: Person):
    oauth = node()
    tokens = oauth.sign_in(person).json()
    leaked = the_key(setup, "signing", "active")
    setup.key_rotation().mark_leaked(leaked.id, actor="cli:test")
    assert leaked.kid not in published(oauth)
    (gone,) = keys(setup, "signing", "gone")
    assert (gone.id, gone.sealed, bool(gone.leaked)) == (leaked.id, None, True)
    assert oauth.revoke(tokens["access_token"]).status_code == 200
    refreshed = oauth.refresh(tokens["refresh_token"])
    assert refreshed.status_code == 200, "an access token by a leaked key ends no session: anyone could have made it"
    verified(oauth, refreshed.json()["access_token"])
    (event,) = setup.events(Event.KEY_LEAKED)
    assert event.subject == str(leaked.id)


def test_a_leaked_opaque_key_is_gone_at_once_and_nobody_is_signed_out(setup: Setup, node: Node, person: Person):
    oauth = node().as_app(setup.an_app(access_token_format="opaque"))

    def is_active(answer: httpx.Response) -> bool:
        active: bool = oauth.post("/introspect", {"token": answer.json()["access_token"]}).json()["active"]
        return active

    signed_in, own = oauth.sign_in(person), oauth.own_token()
    assert is_active(signed_in)
    assert is_active(own)
    leaked = the_key(setup, "opaque", "active")
    setup.key_rotation().mark_leaked(leaked.id, actor="cli:test")
    (gone,) = keys(setup, "opaque", "gone")
    assert (gone.id, gone.sealed, bool(gone.leaked)) == (leaked.id, None, True)
    assert not is_active(signed_in)
    assert not is_active(own)
    assert is_active(oauth.refresh(signed_in.json()["refresh_token"])), "sessions stay, and a fresh key has taken over"
    assert is_active(oauth.own_token())


def test_a_node_that_cannot_open_the_new_keys_trusts_no_leaked_one(setup: Setup, node: Node, person: Person):
    """The master key leaked with the table. It was replaced and every key marked, but one node was not restarted."""
    left_behind = node(master_key=OLD)
    opaque = left_behind.as_app(setup.an_app(access_token_format="opaque"))
    signed_in, sealed = left_behind.sign_in(person).json(), opaque.own_token().json()["access_token"]
    session_id = claims(signed_in["access_token"])["sid"]
    row = the_key(setup, "token", "active")
    key = open_token_key(open_vault(settings_of(setup, master_key=OLD)), row)
    forged = issue(key, UUID(session_id), 0, b"a guess that is not the secret!!").encode()
    assert kid(signed_in["access_token"]) in published(left_behind)
    assert opaque.post("/introspect", {"token": sealed}).json()["active"] is True

    rotation = rotation_of(setup, settings_of(setup, master_key=NEW, old_master_key=OLD))
    rotation.rewrap(actor="cli:test")
    for kind in Kind:
        rotation.mark_leaked(the_key(setup, kind, "active").id, actor="cli:test")
    assert left_behind.http.get("/readyz").status_code == 503
    assert published(left_behind).keys() == {the_key(setup, "signing", state).kid for state in ("active", "next")}
    assert opaque.post("/introspect", {"token": sealed}).json() == {"active": False}
    assert refused_as(left_behind.refresh(forged), "invalid_grant")
    assert setup.session(session_id).revoked_at is None, "a mismatch under a leaked key proves no theft"
    assert left_behind.refresh(signed_in["refresh_token"]).status_code == 200


@pytest.mark.parametrize("kind", Kind)
def test_a_leaked_next_key_is_never_promoted(setup: Setup, node: Node, kind: Kind):
    node()
    leaked = the_key(setup, kind, "next")
    setup.key_rotation().mark_leaked(leaked.id, actor="cli:test")
    assert [row.id for row in keys(setup, kind, "gone")] == [leaked.id]
    assert the_key(setup, kind, "next").id != leaked.id
    setup.key_rotation().rotate(kind, at_once=True, actor="cli:test")
    assert the_key(setup, kind, "active").id != leaked.id


def test_a_leaked_token_key_signs_nobody_out_and_ends_no_session(setup: Setup, node: Node, person: Person):
    oauth = node()
    signed_in = oauth.sign_in(person).json()
    session_id = claims(signed_in["access_token"])["sid"]
    current = oauth.refresh(signed_in["refresh_token"]).json()["refresh_token"]
    leaked = the_key(setup, "token", "active")
    key = open_token_key(open_vault(setup.settings), leaked)
    # A thief with the key can tag a token of any generation of any session whose id they know.
    forged = issue(key, UUID(session_id), 0, b"a guess that is not the secret!!").encode()

    setup.key_rotation().mark_leaked(leaked.id, actor="cli:test")
    row = the_key(setup, "token", "retired")
    assert (row.id, bool(row.leaked)) == (leaked.id, True)
    assert refused_as(oauth.refresh(forged), "invalid_grant")
    assert oauth.revoke(forged).status_code == 200
    assert setup.session(session_id).revoked_at is None
    assert setup.events(Event.SESSION_REUSE) == []
    assert oauth.refresh(current).status_code == 200, "the honest client moves on to a key that did not leak"
    assert setup.session(session_id).token_key_id == the_key(setup, "token", "active").id


def test_before_it_is_marked_a_forgery_under_the_key_is_what_ends_a_session(setup: Setup, node: Node, person: Person):
    """The attack of the test above with a key that is not marked: the server takes it for theft."""
    oauth = node()
    session_id = claims(oauth.sign_in(person).json()["access_token"])["sid"]
    row = the_key(setup, "token", "active")
    key = open_token_key(open_vault(setup.settings), row)
    forged = issue(key, UUID(session_id), 0, b"a guess that is not the secret!!").encode()
    assert refused_as(oauth.refresh(forged), "invalid_grant")
    assert setup.session(session_id).revoked_because == "reuse"


def test_marking_all_keys_leaves_none_in_trust_and_signs_nobody_out(setup: Setup, node: Node, person: Person):
    oauth = node()
    signed_in = oauth.sign_in(person).json()
    setup.key_rotation().rotate(Kind.TOKEN, at_once=True, actor="cli:test")
    before = {row.id for row in setup.sql("SELECT id FROM keys")}
    assert set(setup.key_rotation().mark_all_leaked(actor="cli:test")) == before
    for kind in Kind:
        assert before.isdisjoint({the_key(setup, kind, "active").id, the_key(setup, kind, "next").id})
        assert all(row.leaked for row in keys(setup, kind, "retired") if row.id in before)
    assert {row.kind for row in setup.sql("SELECT kind FROM keys WHERE state = 'retired'")} == {"token"}
    refreshed = oauth.refresh(signed_in["refresh_token"])
    assert refreshed.status_code == 200, refreshed.text
    assert kid(refreshed.json()["access_token"]) == the_key(setup, "signing", "active").kid
    again = setup.key_rotation().mark_all_leaked(actor="cli:test")
    assert before.isdisjoint(again), "what is marked already is not marked again"


def test_what_is_not_there_cannot_leak(setup: Setup, node: Node):
    node()
    with pytest.raises(RotationRefused, match="there is no key 999 in use; see: authserver keys list"):
        setup.key_rotation().mark_leaked(999, actor="cli:test")


# --- nodes ------------------------------------------------------------------------------------------------------------


def test_a_token_by_a_key_that_a_node_has_not_seen_yet_is_never_taken_for_a_forgery(
    setup: Setup, node: Node, person: Person
):
    slow = node(caches=CacheSettings(max_age=5))
    for _ in range(2):  # twice, so that the node has never seen the key that signs now
        setup.key_rotation().rotate(Kind.TOKEN, at_once=True, actor="cli:test")
    token = node().sign_in(person).json()["refresh_token"]
    while (answer := slow.refresh(token)).status_code == 503:
        assert answer.headers["retry-after"] == "1"
    assert answer.status_code == 200


def test_a_key_id_out_of_reach_is_refused_without_a_look_at_the_database(setup: Setup, app: Flask):
    keyring: Keyring = app.extensions["authserver"].keyring
    app.extensions["authserver"].database.dispose()
    assert keyring.token_key(0xFFFFFF) is None
    assert keyring.token_key(0) is None


def test_a_key_is_parsed_once_for_each_process(setup: Setup, app: Flask):
    keyring: Keyring = app.extensions["authserver"].keyring
    before = keyring.current().signing
    assert keyring.refresh().signing is before
