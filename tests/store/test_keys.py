"""The life of keys: made once, sealed at rest, published before use and after, and what a leak or a lost master key does."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from flask import Flask
from pydantic import SecretStr

from authserver.app import create_app
from authserver.keys.keyring import Keyring
from authserver.keys.material import open_token_key
from authserver.keys.model import Kind
from authserver.keys.rotation import KeyRotation, RotationRefused
from authserver.keys.setup import open_vault, schedule
from authserver.keys.vault import MasterKeyError
from authserver.records.audit import Event
from authserver.sessions.refresh_token import issue
from authserver.settings.model import Settings
from authserver.settings.values import CacheSettings, TokenSettings
from tests.support.at_once import at_once
from tests.support.oauth import OAuth, Person, claims, refused_as
from tests.support.stage import API, Stage

JWKS = "/.well-known/jwks.json"
OLD = base64.b64encode(b"o" * 32).decode()
NEW = base64.b64encode(b"n" * 32).decode()

Node = Callable[..., OAuth]


@pytest.fixture
def node(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """Starts nodes on the stage's database: `node(master_key=…)`, each with caches of its own."""
    monkeypatch.setattr("tempfile.tempdir", str(stage.directory))
    started: list[tuple[Flask, httpx.Client]] = []
    app = stage.an_app(retry_window=0)

    def start(**changes: Any) -> OAuth:
        made = create_app(_settings(stage, **changes))
        http = httpx.Client(
            transport=httpx.WSGITransport(made, raise_app_exceptions=False), base_url=stage.settings.issuer
        )
        started.append((made, http))
        return OAuth(http, app)

    yield start
    for made, http in started:
        http.close()
        made.extensions["authserver"].database.dispose()


def _settings(stage: Stage, **changes: Any) -> Settings:
    for name in ("master_key", "old_master_key"):
        if name in changes:
            changes[name] = SecretStr(changes[name])
    # Caches that are nearly always too old: every request sees what has just been done.
    return stage.with_settings(**{"caches": CacheSettings(max_age=1e-6), **changes})


def keys(stage: Stage, kind: str, state: str) -> list[Any]:
    return stage.sql("SELECT * FROM keys WHERE kind = :kind AND state = :state ORDER BY id", kind=kind, state=state)


def the_key(stage: Stage, kind: str, state: str) -> Any:
    (row,) = keys(stage, kind, state)
    return row


def back_date_keys(stage: Stage, seconds: float) -> None:
    """Make all keys older, as if that time had passed."""
    columns = ("created_at", "activated_at", "retired_at", "gone_at")
    moved = ", ".join(f"{column} = {column} - :ms" for column in columns)
    stage.sql(f"UPDATE keys SET {moved}", ms=round(seconds * 1000))


def rotation_of(stage: Stage, settings: Settings) -> KeyRotation:
    return KeyRotation(stage.database, open_vault(settings), schedule(settings), algorithm=settings.tokens.algorithm)


def open_keys(stage: Stage, **changes: Any) -> Keyring:
    """Read the keys as a node does when it starts."""
    keyring = Keyring(stage.database, open_vault(_settings(stage, **changes)), max_age=1)
    keyring.current()
    return keyring


def published(oauth: OAuth) -> dict[str, Any]:
    return {key["kid"]: key for key in oauth.http.get(JWKS).json()["keys"]}


def kid(token: str) -> str:
    found: str = jwt.get_unverified_header(token)["kid"]
    return found


def verified(oauth: OAuth, token: str) -> dict[str, Any]:
    """The claims, as an API with PyJWT and a fresh key set verifies them."""
    key = jwt.PyJWK(published(oauth)[kid(token)])
    return jwt.decode(token, key, algorithms=[key.algorithm_name], audience=API)


# --- the first keys ---------------------------------------------------------------------------------------------------


def test_eight_processes_that_start_at_once_make_one_set_of_keys(stage: Stage):
    act = """
keyring = create_app(settings).extensions["authserver"].keyring.refresh()
print(keyring.signing.kid, sorted(keyring.token_keys), keyring.etag)
"""
    printed = at_once("from authserver.app import create_app", act, count=8, settings=stage.settings)
    assert len(set(printed)) == 1
    found = stage.sql("SELECT kind, state FROM keys")
    kinds, states = ("opaque", "signing", "token"), ("active", "next")
    assert sorted(map(tuple, found)) == [(kind, state) for kind in kinds for state in states]
    assert len(stage.events(Event.KEY_CREATED)) == 6
    assert stage.settings.master_key_file.stat().st_mode & 0o777 == 0o600


def test_keys_are_sealed_at_rest(stage: Stage, node: Node):
    node()
    vault = open_vault(stage.settings)
    for row in stage.sql("SELECT * FROM keys"):
        bound_to = f"{row.kind}:{row.kid or ''}"
        secret = vault.open(bytes(row.sealed), purpose=bound_to)
        private = base64.urlsafe_b64decode(json.loads(secret)["d"] + "==") if row.kind == "signing" else secret
        assert len(private) >= 32
        assert private not in bytes(row.sealed)
        assert secret not in bytes(row.sealed)
        assert '"d"' not in (row.public_jwk or "")
        with pytest.raises(MasterKeyError, match="altered or moved"):
            vault.open(bytes(row.sealed), purpose="signing:another")


def test_a_sealed_key_does_not_serve_in_another_row(stage: Stage, node: Node):
    node()
    active, following = the_key(stage, "signing", "active"), the_key(stage, "signing", "next")
    stage.sql("UPDATE keys SET sealed = :sealed WHERE id = :id", sealed=following.sealed, id=active.id)
    with pytest.raises(MasterKeyError, match=f"altered or moved \\(signing:{active.kid}\\)"):
        open_keys(stage)


def test_no_two_keys_are_sealed_to_the_same_bytes(stage: Stage, node: Node):
    node()
    vault = open_vault(stage.settings)
    assert vault.seal(b"same", purpose="p") != vault.seal(b"same", purpose="p")


# --- the master key ---------------------------------------------------------------------------------------------------


def test_another_master_key_does_not_start_and_says_which_is_needed(stage: Stage, node: Node):
    node(master_key=OLD)
    with pytest.raises(MasterKeyError) as refusal:
        open_keys(stage, master_key=NEW)
    old, new = (
        open_vault(_settings(stage, master_key=key)).fingerprint.hex() for key in (OLD, NEW)
    )  # fmt: skip
    assert str(refusal.value) == (
        f"the keys in the database are sealed under master key {old}, but the one at hand is {new}; "
        "restore that key (docs/keys.md says what else helps)"
    )


def test_a_new_master_key_signs_nobody_out_on_a_rolling_change(stage: Stage, node: Node, person: Person):
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
            rotation_of(stage, _settings(stage, **changes)).rotate(kind, at_once=True, actor="server")

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
    # 3. What is still under the old one is sealed anew.
    assert rotation_of(stage, _settings(stage, master_key=NEW, old_master_key=OLD)).rewrap(actor="cli:test") > 0
    assert rotation_of(stage, _settings(stage, master_key=NEW, old_master_key=OLD)).rewrap(actor="cli:test") == 0
    refresh_at(first, second)
    # 4. The old one is not needed any more.
    refresh_at(node(master_key=NEW), second)
    with pytest.raises(MasterKeyError):
        open_keys(stage, master_key=OLD)
    assert len(stage.events(Event.KEYS_REWRAPPED)) == 2


def test_a_node_that_was_not_given_the_new_master_key_goes_on_but_is_not_ready(
    stage: Stage, node: Node, person: Person
):
    left_behind = node(master_key=OLD)
    tokens = left_behind.sign_in(person).json()
    new = _settings(stage, master_key=NEW, old_master_key=OLD)
    rotation_of(stage, new).rotate(Kind.TOKEN, at_once=True, actor="cli:test")
    readiness = left_behind.http.get("/readyz")
    assert readiness.status_code == 503
    assert "sealed under master key" in readiness.json()["problems"][0]
    refreshed = left_behind.refresh(tokens["refresh_token"])
    assert refreshed.status_code == 200, "what it knows is still good"
    other = node(master_key=NEW, old_master_key=OLD).refresh(refreshed.json()["refresh_token"])
    assert other.status_code == 200
    token = node(master_key=NEW, old_master_key=OLD).sign_in(person).json()["refresh_token"]
    rotation_of(stage, new).rotate(Kind.TOKEN, at_once=True, actor="cli:test")
    beyond = node(master_key=NEW, old_master_key=OLD).sign_in(person).json()["refresh_token"]
    for unknown in (token, beyond):
        answer = left_behind.refresh(unknown)
        if answer.status_code != 200:
            assert refused_as(answer, "temporarily_unavailable", 503), "never invalid_grant: that would sign out"
            assert answer.headers["retry-after"] == "1"


def test_with_the_master_key_lost_new_keys_bring_everybody_back_by_a_sign_in(stage: Stage, node: Node, person: Person):
    """The last resort of docs/keys.md."""
    token = node(master_key=OLD).sign_in(person).json()["refresh_token"]
    stage.sql("DELETE FROM keys")
    oauth = node(master_key=NEW)
    assert refused_as(oauth.refresh(token), "invalid_grant")
    assert stage.events(Event.SESSION_REUSE) == []
    tokens = oauth.sign_in(person).json()
    verified(oauth, tokens["access_token"])
    assert oauth.refresh(tokens["refresh_token"]).status_code == 200


# --- rotation ---------------------------------------------------------------------------------------------------------


def test_nothing_is_due_before_its_time(stage: Stage, node: Node):
    node()
    before = stage.sql("SELECT * FROM keys")
    back_date_keys(stage, stage.settings.keys.signing_key_lifetime - 60)
    stage.key_rotation().maintain()
    assert [row.id for row in stage.sql("SELECT * FROM keys")] == [row.id for row in before]


@pytest.mark.parametrize("kind", Kind)
def test_a_key_is_replaced_by_the_published_next_one_when_it_has_served(stage: Stage, node: Node, kind: Kind):
    oauth = node()
    following = the_key(stage, kind, "next")
    lifetimes = {
        Kind.SIGNING: stage.settings.keys.signing_key_lifetime,
        Kind.TOKEN: stage.settings.keys.token_key_lifetime,
        Kind.OPAQUE: stage.settings.keys.signing_key_lifetime,
    }
    back_date_keys(stage, lifetimes[kind])
    stage.key_rotation().maintain()
    assert the_key(stage, kind, "active").id == following.id
    assert len(keys(stage, kind, "retired")) == 1
    assert the_key(stage, kind, "next").id > following.id
    assert kid(oauth.own_token().json()["access_token"]) == the_key(stage, "signing", "active").kid


def test_a_next_key_signs_only_when_it_was_published_for_a_jwks_lifetime(stage: Stage, node: Node):
    oauth = node()
    max_age = int(oauth.http.get(JWKS).headers["cache-control"].rpartition("=")[2])
    nodes = 2 * stage.settings.caches.max_age
    ahead = schedule(stage.settings).publish_ahead
    assert ahead[Kind.SIGNING] >= max_age + nodes
    assert ahead[Kind.TOKEN] >= nodes
    # Long after its time, but the next key is young: as when a node comes back after months.
    back_date_keys(stage, stage.settings.keys.signing_key_lifetime * 2)
    stage.sql("UPDATE keys SET created_at = created_at + :ms", ms=stage.settings.keys.signing_key_lifetime * 2000)
    active = the_key(stage, "signing", "active")
    back_date_keys(stage, ahead[Kind.SIGNING] - 60)
    stage.key_rotation().maintain()
    assert the_key(stage, "signing", "active").id == active.id
    with pytest.raises(
        RotationRefused, match=r"not known to every API and node yet: wait [1-6]?[0-9] s, or give --now"
    ):
        stage.key_rotation().rotate(Kind.SIGNING, at_once=False, actor="cli:test")
    back_date_keys(stage, 60)
    stage.key_rotation().maintain()
    assert the_key(stage, "signing", "active").id != active.id


def test_a_rotation_by_hand_waits_for_nobody_when_told_so(stage: Stage, node: Node):
    oauth = node()
    following = the_key(stage, "signing", "next")
    stage.key_rotation().rotate(Kind.SIGNING, at_once=True, actor="cli:test")
    token = oauth.own_token().json()["access_token"]
    assert kid(token) == following.kid
    verified(oauth, token)
    (event,) = stage.events(Event.KEY_PROMOTED)
    assert (event.actor, event.subject) == ("cli:test", str(following.id))


@pytest.mark.parametrize("kind", Kind)
def test_of_parallel_rotations_one_wins_and_the_others_find_it_done(stage: Stage, node: Node, kind: Kind):
    node()
    rotations = [stage.key_rotation() for _ in range(6)]
    seen = rotations[0]._next_and_active(kind)
    barrier, won = threading.Barrier(len(rotations)), []

    def promote(rotation: KeyRotation) -> None:
        barrier.wait()
        won.append(rotation._promote(kind, seen["active"], seen["next"], actor="server"))

    threads = [threading.Thread(target=promote, args=(rotation,)) for rotation in rotations]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 5 + [True]
    assert the_key(stage, kind, "active").id == seen["next"].id
    assert the_key(stage, kind, "retired").id == seen["active"].id
    assert the_key(stage, kind, "next")
    assert len(stage.events(Event.KEY_PROMOTED)) == 1


def test_an_algorithm_is_changed_by_the_setting_without_a_refused_token(stage: Stage, node: Node, person: Person):
    made, tokens = [], node().sign_in(person).json()
    for algorithm in ("ES256", "EdDSA", "RS256"):
        settings = _settings(stage, tokens=TokenSettings(algorithm=algorithm))
        rotation = rotation_of(stage, settings)
        oauth = node(tokens=TokenSettings(algorithm=algorithm))
        rotation.maintain()
        before = the_key(stage, "signing", "active")
        assert the_key(stage, "signing", "next").algorithm == algorithm, "published anew"
        rotation.maintain()
        assert the_key(stage, "signing", "active").id == before.id, "not before every API can know it"
        back_date_keys(stage, 600)
        rotation.maintain()
        token = oauth.own_token().json()["access_token"]
        assert jwt.get_unverified_header(token)["alg"] == algorithm
        made.append(token)
        for earlier in made:
            verified(oauth, earlier)
        answer = oauth.refresh(tokens["refresh_token"])
        assert answer.status_code == 200
        tokens = answer.json()
        assert verified(oauth, tokens["access_token"])["sub"] == person.id
        ended = oauth.sign_in(person).json()
        assert oauth.revoke(ended["access_token"]).status_code == 200
        assert refused_as(oauth.refresh(ended["refresh_token"]), "invalid_grant"), "recognised under any algorithm"


def test_a_retired_key_stays_published_until_its_last_token_is_over_then_is_erased(stage: Stage, node: Node):
    oauth = node()
    token = oauth.own_token().json()["access_token"]
    stage.key_rotation().rotate(Kind.SIGNING, at_once=True, actor="cli:test")
    stays = stage.settings.tokens.max_access_token_lifetime + 300
    back_date_keys(stage, stays)
    stage.key_rotation().maintain()
    verified(oauth, token)
    back_date_keys(stage, 30)
    stage.key_rotation().maintain()
    assert kid(token) not in published(oauth)
    (gone,) = keys(stage, "signing", "gone")
    assert (gone.kid, gone.sealed) == (kid(token), None)


def test_a_retired_token_key_is_kept_as_long_as_a_session_may_live(stage: Stage, node: Node, person: Person):
    oauth = node()
    first = oauth.sign_in(person).json()["refresh_token"]
    retired = the_key(stage, "token", "active")
    stage.key_rotation().rotate(Kind.TOKEN, at_once=True, actor="cli:test")
    back_date_keys(stage, stage.settings.tokens.max_refresh_absolute_lifetime)
    stage.key_rotation().maintain()
    refreshed = oauth.refresh(first)
    assert refreshed.status_code == 200
    old = oauth.sign_in(person).json()["refresh_token"]
    stage.sql("UPDATE keys SET gone_at = 1 WHERE id = :id", id=retired.id)
    stage.key_rotation().maintain()
    (gone,) = keys(stage, "token", "gone")
    assert (gone.id, gone.sealed) == (retired.id, None)
    assert refused_as(oauth.refresh(first), "invalid_grant"), "nothing of that age can be alive"
    assert oauth.refresh(refreshed.json()["refresh_token"]).status_code == 200
    assert oauth.refresh(old).status_code == 200


# --- leaks ------------------------------------------------------------------------------------------------------------


def test_a_leaked_signing_key_is_gone_at_once_and_nobody_is_signed_out(stage: Stage, node: Node, person: Person):
    oauth = node()
    tokens = oauth.sign_in(person).json()
    leaked = the_key(stage, "signing", "active")
    stage.key_rotation().mark_leaked(leaked.id, actor="cli:test")
    assert leaked.kid not in published(oauth)
    (gone,) = keys(stage, "signing", "gone")
    assert (gone.id, gone.sealed, bool(gone.leaked)) == (leaked.id, None, True)
    assert oauth.revoke(tokens["access_token"]).status_code == 200
    refreshed = oauth.refresh(tokens["refresh_token"])
    assert refreshed.status_code == 200, "an access token by a leaked key ends no session: anyone could have made it"
    verified(oauth, refreshed.json()["access_token"])
    (event,) = stage.events(Event.KEY_LEAKED)
    assert event.subject == str(leaked.id)


def test_a_leaked_opaque_key_is_gone_at_once_and_nobody_is_signed_out(stage: Stage, node: Node, person: Person):
    oauth = node().as_app(stage.an_app(access_token_format="opaque"))

    def is_active(answer: httpx.Response) -> bool:
        active: bool = oauth.post("/introspect", {"token": answer.json()["access_token"]}).json()["active"]
        return active

    signed_in, own = oauth.sign_in(person), oauth.own_token()
    assert is_active(signed_in)
    assert is_active(own)
    leaked = the_key(stage, "opaque", "active")
    stage.key_rotation().mark_leaked(leaked.id, actor="cli:test")
    (gone,) = keys(stage, "opaque", "gone")
    assert (gone.id, gone.sealed, bool(gone.leaked)) == (leaked.id, None, True)
    assert not is_active(signed_in)
    assert not is_active(own)
    assert is_active(oauth.refresh(signed_in.json()["refresh_token"])), "sessions stay, and a fresh key has taken over"
    assert is_active(oauth.own_token())


def test_a_node_that_cannot_open_the_new_keys_trusts_no_leaked_one(stage: Stage, node: Node, person: Person):
    """The master key leaked with the table: it is replaced and every key marked, while one node was not restarted."""
    left_behind = node(master_key=OLD)
    opaque = left_behind.as_app(stage.an_app(access_token_format="opaque"))
    signed_in, sealed = left_behind.sign_in(person).json(), opaque.own_token().json()["access_token"]
    session_id = claims(signed_in["access_token"])["sid"]
    row = the_key(stage, "token", "active")
    key = open_token_key(open_vault(_settings(stage, master_key=OLD)), row.id, bytes(row.sealed), leaked=False)
    forged = issue(key, UUID(session_id), 0, b"a guess that is not the secret!!").encode()
    assert kid(signed_in["access_token"]) in published(left_behind)
    assert opaque.post("/introspect", {"token": sealed}).json()["active"] is True

    rotation = rotation_of(stage, _settings(stage, master_key=NEW, old_master_key=OLD))
    rotation.rewrap(actor="cli:test")
    for kind in Kind:
        rotation.mark_leaked(the_key(stage, kind, "active").id, actor="cli:test")
    assert left_behind.http.get("/readyz").status_code == 503
    assert published(left_behind).keys() == {the_key(stage, "signing", state).kid for state in ("active", "next")}
    assert opaque.post("/introspect", {"token": sealed}).json() == {"active": False}
    assert refused_as(left_behind.refresh(forged), "invalid_grant")
    assert stage.session(session_id).revoked_at is None, "a mismatch under a leaked key proves no theft"
    assert left_behind.refresh(signed_in["refresh_token"]).status_code == 200


@pytest.mark.parametrize("kind", Kind)
def test_a_leaked_next_key_is_never_promoted(stage: Stage, node: Node, kind: Kind):
    node()
    leaked = the_key(stage, kind, "next")
    stage.key_rotation().mark_leaked(leaked.id, actor="cli:test")
    assert [row.id for row in keys(stage, kind, "gone")] == [leaked.id]
    assert the_key(stage, kind, "next").id != leaked.id
    stage.key_rotation().rotate(kind, at_once=True, actor="cli:test")
    assert the_key(stage, kind, "active").id != leaked.id


def test_a_leaked_token_key_signs_nobody_out_and_ends_no_session(stage: Stage, node: Node, person: Person):
    oauth = node()
    signed_in = oauth.sign_in(person).json()
    session_id = claims(signed_in["access_token"])["sid"]
    current = oauth.refresh(signed_in["refresh_token"]).json()["refresh_token"]
    leaked = the_key(stage, "token", "active")
    key = open_token_key(open_vault(stage.settings), leaked.id, bytes(leaked.sealed), leaked=False)
    # Who has the key can tag a token of any generation of any session whose id they know.
    forged = issue(key, UUID(session_id), 0, b"a guess that is not the secret!!").encode()

    stage.key_rotation().mark_leaked(leaked.id, actor="cli:test")
    row = the_key(stage, "token", "retired")
    assert (row.id, bool(row.leaked)) == (leaked.id, True)
    assert refused_as(oauth.refresh(forged), "invalid_grant")
    assert oauth.revoke(forged).status_code == 200
    assert stage.session(session_id).revoked_at is None
    assert stage.events(Event.SESSION_REUSE) == []
    assert oauth.refresh(current).status_code == 200, "the honest client moves on to a key that did not leak"
    assert stage.session(session_id).token_key_id == the_key(stage, "token", "active").id


def test_before_it_is_marked_a_forgery_under_the_key_is_what_ends_a_session(stage: Stage, node: Node, person: Person):
    """The attack of the test above, where nobody has said that the key has leaked: it would pass for theft."""
    oauth = node()
    session_id = claims(oauth.sign_in(person).json()["access_token"])["sid"]
    row = the_key(stage, "token", "active")
    key = open_token_key(open_vault(stage.settings), row.id, bytes(row.sealed), leaked=False)
    forged = issue(key, UUID(session_id), 0, b"a guess that is not the secret!!").encode()
    assert refused_as(oauth.refresh(forged), "invalid_grant")
    assert stage.session(session_id).revoked_because == "reuse"


def test_what_is_not_there_cannot_leak(stage: Stage, node: Node):
    node()
    with pytest.raises(RotationRefused, match="there is no key 999 in use; see: authserver keys list"):
        stage.key_rotation().mark_leaked(999, actor="cli:test")


# --- nodes ------------------------------------------------------------------------------------------------------------


def test_a_token_by_a_key_that_a_node_has_not_seen_yet_is_never_taken_for_a_forgery(
    stage: Stage, node: Node, person: Person
):
    slow = node(caches=CacheSettings(max_age=5))
    for _ in range(2):  # twice at once: the key that signs now was not even published a moment ago
        stage.key_rotation().rotate(Kind.TOKEN, at_once=True, actor="cli:test")
    token = node().sign_in(person).json()["refresh_token"]
    while (answer := slow.refresh(token)).status_code == 503:
        assert answer.headers["retry-after"] == "1"
    assert answer.status_code == 200


def test_a_key_id_out_of_reach_is_refused_without_a_look_at_the_database(stage: Stage, app: Flask):
    keyring: Keyring = app.extensions["authserver"].keyring
    app.extensions["authserver"].database.dispose()
    assert keyring.token_key(0xFFFFFF) is None
    assert keyring.token_key(0) is None


def test_a_key_is_parsed_once_for_each_process(stage: Stage, app: Flask):
    keyring: Keyring = app.extensions["authserver"].keyring
    before = keyring.current().signing
    assert keyring.refresh().signing is before
