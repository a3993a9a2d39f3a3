"""Keys are made once and sealed at rest. The tests also cover a new, a wrong and a lost master key."""

import base64
import json

import pytest

from authserver.keys import store
from authserver.keys.model import Kind
from authserver.keys.setup import open_vault
from authserver.keys.vault import MasterKeyError
from authserver.records.audit import Event
from tests.support.at_once import processes_at_once
from tests.support.databases import on_both_databases
from tests.support.keys import (
    NEW,
    OLD,
    Node,
    open_keys,
    rotation_of,
    settings_of,
    the_key,
    verified,
)
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import Setup

# --- the first keys ---------------------------------------------------------------------------------------------------


@on_both_databases
def test_eight_processes_that_start_at_once_make_one_set_of_keys(setup: Setup):
    act = """
keyring = create_app(settings).extensions["authserver"].keyring.refresh()
print(keyring.signing.kid, sorted(keyring.token_keys), keyring.etag)
"""
    printed = processes_at_once("from authserver.app import create_app", act, count=8, settings=setup.settings)
    assert len(set(printed)) == 1
    found = setup.sql("SELECT kind, state FROM keys")
    kinds, states = ("opaque", "signing", "token"), ("active", "next")
    assert sorted(map(tuple, found)) == [(kind, state) for kind in kinds for state in states]
    assert len(setup.events(Event.KEY_CREATED)) == 6
    assert setup.settings.master_key_file.stat().st_mode & 0o777 == 0o600


@on_both_databases
def test_keys_are_sealed_at_rest(setup: Setup, node: Node):
    node()
    vault = open_vault(setup.settings)
    for row in setup.sql("SELECT * FROM keys"):
        bound_to = f"{row.kind}:{row.kid or ''}"
        secret = vault.open(bytes(row.sealed), purpose=bound_to)
        private = base64.urlsafe_b64decode(json.loads(secret)["d"] + "==") if row.kind == "signing" else secret
        assert len(private) >= 32
        assert private not in bytes(row.sealed)
        assert secret not in bytes(row.sealed)
        assert '"d"' not in (row.public_jwk or "")
        with pytest.raises(MasterKeyError, match="altered or moved"):
            vault.open(bytes(row.sealed), purpose="signing:another")


def test_a_sealed_key_does_not_serve_in_another_row(setup: Setup, node: Node):
    node()
    active, following = the_key(setup, "signing", "active"), the_key(setup, "signing", "next")
    setup.sql("UPDATE keys SET sealed = :sealed WHERE id = :id", sealed=following.sealed, id=active.id)
    with pytest.raises(MasterKeyError, match=f"altered or moved \\(signing:{active.kid}\\)"):
        open_keys(setup)


def test_no_two_keys_are_sealed_to_the_same_bytes(setup: Setup, node: Node):
    node()
    vault = open_vault(setup.settings)
    assert vault.seal(b"same", purpose="p") != vault.seal(b"same", purpose="p")


# --- the master key ---------------------------------------------------------------------------------------------------


def test_another_master_key_does_not_start_and_says_which_is_needed(setup: Setup, node: Node):
    node(master_key=OLD)
    with pytest.raises(MasterKeyError) as refusal:
        open_keys(setup, master_key=NEW)
    old, new = (
        open_vault(settings_of(setup, master_key=key)).fingerprint.hex() for key in (OLD, NEW)
    )  # fmt: skip
    assert str(refusal.value) == (
        f"the keys in the database are sealed under master key {old}, but the one at hand is {new}; "
        "restore that key (docs/keys.md says what else helps)"
    )


@on_both_databases
def test_a_new_master_key_signs_nobody_out_on_a_rolling_change(setup: Setup, node: Node, person: Person):
    """The procedure of docs/keys.md, node by node, with a refresh at both nodes at each moment in between."""
    first, second = node(master_key=OLD), node(master_key=OLD)
    tokens = first.sign_in(person).json()

    def refresh_at(*nodes: OAuth) -> None:
        nonlocal tokens
        for each in nodes:
            assert verified(each, tokens["access_token"])["sub"] == person.id
            answer = each.refresh(tokens["refresh_token"])
            assert answer.status_code == 200, answer.text
            tokens = answer.json()

    def rotate_as(**changes: str) -> None:
        for kind in Kind:
            rotation_of(setup, settings_of(setup, **changes)).rotate(kind, at_once=True, actor="server")

    refresh_at(first, second)
    # 1. Every node can open with both and seals with the old one.
    first = node(master_key=OLD, old_master_key=NEW)
    rotate_as(master_key=OLD, old_master_key=NEW)
    refresh_at(first, second)
    second = node(master_key=OLD, old_master_key=NEW)
    # 2. Every node seals with the new one.
    first = node(master_key=NEW, old_master_key=OLD)
    rotate_as(master_key=NEW, old_master_key=OLD)
    refresh_at(first, second)
    second = node(master_key=NEW, old_master_key=OLD)
    refresh_at(first, second)
    # 3. Keys under the old one are sealed anew.
    assert rotation_of(setup, settings_of(setup, master_key=NEW, old_master_key=OLD)).rewrap(actor="cli:test") > 0
    assert rotation_of(setup, settings_of(setup, master_key=NEW, old_master_key=OLD)).rewrap(actor="cli:test") == 0
    refresh_at(first, second)
    # 4. The old one is no longer needed.
    refresh_at(node(master_key=NEW), second)
    with pytest.raises(MasterKeyError):
        open_keys(setup, master_key=OLD)
    assert len(setup.events(Event.KEYS_REWRAPPED)) == 2


def test_a_node_that_was_not_given_the_new_master_key_goes_on_but_is_not_ready(
    setup: Setup, node: Node, person: Person
):
    left_behind = node(master_key=OLD)
    tokens = left_behind.sign_in(person).json()
    new = settings_of(setup, master_key=NEW, old_master_key=OLD)
    rotation_of(setup, new).rotate(Kind.TOKEN, at_once=True, actor="cli:test")
    readiness = left_behind.http.get("/readyz")
    assert readiness.status_code == 503
    assert "sealed under master key" in readiness.json()["problems"][0]
    refreshed = left_behind.refresh(tokens["refresh_token"])
    assert refreshed.status_code == 200, "the keys that it knows are still good"
    other = node(master_key=NEW, old_master_key=OLD).refresh(refreshed.json()["refresh_token"])
    assert other.status_code == 200
    token = node(master_key=NEW, old_master_key=OLD).sign_in(person).json()["refresh_token"]
    rotation_of(setup, new).rotate(Kind.TOKEN, at_once=True, actor="cli:test")
    beyond = node(master_key=NEW, old_master_key=OLD).sign_in(person).json()["refresh_token"]
    for unknown in (token, beyond):
        answer = left_behind.refresh(unknown)
        if answer.status_code != 200:
            assert refused_as(answer, "temporarily_unavailable", 503), (
                "it never answers invalid_grant, which would sign the user out"
            )
            assert answer.headers["retry-after"] == "1"


def test_with_the_master_key_lost_new_keys_bring_everybody_back_by_a_sign_in(setup: Setup, node: Node, person: Person):
    """The last resort of docs/keys.md."""
    token = node(master_key=OLD).sign_in(person).json()["refresh_token"]
    for table in ("keys", "secrets"):
        setup.sql(f"DELETE FROM {table}")
    oauth = node(master_key=NEW)
    assert refused_as(oauth.refresh(token), "invalid_grant")
    assert setup.events(Event.SESSION_REUSE) == []
    tokens = oauth.sign_in(person).json()
    verified(oauth, tokens["access_token"])
    assert oauth.refresh(tokens["refresh_token"]).status_code == 200


# --- secrets beside the keys ------------------------------------------------------------------------------------------


@on_both_databases
def test_a_secret_is_made_once_and_survives_a_new_master_key(setup: Setup):
    def secret(name: str, **changes: str) -> bytes:
        with setup.database.autocommit() as connection:
            return store.secret(connection, open_vault(settings_of(setup, **changes)), name)

    rotation_of(setup, settings_of(setup, master_key=OLD)).ensure()
    made = secret("throttling", master_key=OLD)
    assert secret("throttling", master_key=OLD) == made
    assert len({made, secret("another", master_key=OLD)}) == 2
    rotation_of(setup, settings_of(setup, master_key=NEW, old_master_key=OLD)).rewrap(actor="cli:test")
    assert secret("throttling", master_key=NEW) == made
    with pytest.raises(MasterKeyError):
        secret("throttling", master_key=OLD)
