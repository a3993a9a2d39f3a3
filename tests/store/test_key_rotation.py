"""Key rotation: keys are published before and after their use, nodes rotate once, and every live token has its key."""

import threading

import jwt
import pytest

from authserver.keys.model import Kind
from authserver.keys.rotation import KeyRotation, RotationRefused
from authserver.keys.setup import schedule
from authserver.records.audit import Event
from authserver.settings.values import TokenSettings
from tests.support.databases import on_both_databases
from tests.support.keys import (
    JWKS,
    Node,
    back_date_keys,
    keys,
    kid,
    published,
    rotation_of,
    settings_of,
    the_key,
    verified,
)
from tests.support.oauth import Person, refused_as
from tests.support.stage import Stage

pytestmark = on_both_databases


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
    # The key is long overdue, but the next key is young, as when a node comes back after months.
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
        settings = settings_of(stage, tokens=TokenSettings(algorithm=algorithm))
        rotation = rotation_of(stage, settings)
        oauth = node(tokens=TokenSettings(algorithm=algorithm))
        rotation.maintain()
        before = the_key(stage, "signing", "active")
        assert the_key(stage, "signing", "next").algorithm == algorithm, "a new next key is published"
        rotation.maintain()
        assert the_key(stage, "signing", "active").id == before.id, "it does not sign before every API can know it"
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
        assert refused_as(oauth.refresh(ended["refresh_token"]), "invalid_grant"), (
            "tokens of any algorithm are recognised"
        )


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
    assert refused_as(oauth.refresh(first), "invalid_grant"), "no session of that age can be alive"
    assert oauth.refresh(refreshed.json()["refresh_token"]).status_code == 200
    assert oauth.refresh(old).status_code == 200
