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
from tests.support.setup import Setup

pytestmark = on_both_databases


def test_nothing_is_due_before_its_time(setup: Setup, node: Node):
    node()
    before = setup.sql("SELECT * FROM keys")
    back_date_keys(setup, setup.settings.keys.signing_key_lifetime - 60)
    setup.key_rotation().maintain()
    assert [row.id for row in setup.sql("SELECT * FROM keys")] == [row.id for row in before]


@pytest.mark.parametrize("kind", Kind)
def test_a_key_is_replaced_by_the_published_next_one_when_it_has_served(setup: Setup, node: Node, kind: Kind):
    oauth = node()
    following = the_key(setup, kind, "next")
    lifetimes = {
        Kind.SIGNING: setup.settings.keys.signing_key_lifetime,
        Kind.TOKEN: setup.settings.keys.token_key_lifetime,
        Kind.OPAQUE: setup.settings.keys.signing_key_lifetime,
    }
    back_date_keys(setup, lifetimes[kind])
    setup.key_rotation().maintain()
    assert the_key(setup, kind, "active").id == following.id
    assert len(keys(setup, kind, "retired")) == 1
    assert the_key(setup, kind, "next").id > following.id
    assert kid(oauth.own_token().json()["access_token"]) == the_key(setup, "signing", "active").kid


def test_a_next_key_signs_only_when_it_was_published_for_a_jwks_lifetime(setup: Setup, node: Node):
    oauth = node()
    max_age = int(oauth.http.get(JWKS).headers["cache-control"].rpartition("=")[2])
    nodes = 2 * setup.settings.caches.max_age
    ahead = schedule(setup.settings).publish_ahead
    assert ahead[Kind.SIGNING] >= max_age + nodes
    assert ahead[Kind.TOKEN] >= nodes
    # The key is long overdue, but the next key is young, as when a node comes back after months.
    back_date_keys(setup, setup.settings.keys.signing_key_lifetime * 2)
    setup.sql("UPDATE keys SET created_at = created_at + :ms", ms=setup.settings.keys.signing_key_lifetime * 2000)
    active = the_key(setup, "signing", "active")
    back_date_keys(setup, ahead[Kind.SIGNING] - 60)
    setup.key_rotation().maintain()
    assert the_key(setup, "signing", "active").id == active.id
    with pytest.raises(
        RotationRefused, match=r"not known to every API and node yet: wait [1-6]?[0-9] s, or give --now"
    ):
        setup.key_rotation().rotate(Kind.SIGNING, at_once=False, actor="cli:test")
    back_date_keys(setup, 60)
    setup.key_rotation().maintain()
    assert the_key(setup, "signing", "active").id != active.id


def test_a_rotation_by_hand_waits_for_nobody_when_told_so(setup: Setup, node: Node):
    oauth = node()
    following = the_key(setup, "signing", "next")
    setup.key_rotation().rotate(Kind.SIGNING, at_once=True, actor="cli:test")
    token = oauth.own_token().json()["access_token"]
    assert kid(token) == following.kid
    verified(oauth, token)
    (event,) = setup.events(Event.KEY_PROMOTED)
    assert (event.actor, event.subject) == ("cli:test", str(following.id))


@pytest.mark.parametrize("kind", Kind)
def test_of_parallel_rotations_one_wins_and_the_others_find_it_done(setup: Setup, node: Node, kind: Kind):
    node()
    rotations = [setup.key_rotation() for _ in range(6)]
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
    assert the_key(setup, kind, "active").id == seen["next"].id
    assert the_key(setup, kind, "retired").id == seen["active"].id
    assert the_key(setup, kind, "next")
    assert len(setup.events(Event.KEY_PROMOTED)) == 1


def test_an_algorithm_is_changed_by_the_setting_without_a_refused_token(setup: Setup, node: Node, person: Person):
    made, tokens = [], node().sign_in(person).json()
    for algorithm in ("ES256", "EdDSA", "RS256"):
        settings = settings_of(setup, tokens=TokenSettings(algorithm=algorithm))
        rotation = rotation_of(setup, settings)
        oauth = node(tokens=TokenSettings(algorithm=algorithm))
        rotation.maintain()
        before = the_key(setup, "signing", "active")
        assert the_key(setup, "signing", "next").algorithm == algorithm, "a new next key is published"
        rotation.maintain()
        assert the_key(setup, "signing", "active").id == before.id, "it does not sign before every API can know it"
        back_date_keys(setup, 600)
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


def test_a_retired_key_stays_published_until_its_last_token_is_over_then_is_erased(setup: Setup, node: Node):
    oauth = node()
    token = oauth.own_token().json()["access_token"]
    setup.key_rotation().rotate(Kind.SIGNING, at_once=True, actor="cli:test")
    stays = setup.settings.tokens.max_access_token_lifetime + 300
    back_date_keys(setup, stays)
    setup.key_rotation().maintain()
    verified(oauth, token)
    back_date_keys(setup, 30)
    setup.key_rotation().maintain()
    assert kid(token) not in published(oauth)
    (gone,) = keys(setup, "signing", "gone")
    assert (gone.kid, gone.sealed) == (kid(token), None)


def test_a_retired_token_key_is_kept_as_long_as_a_session_may_live(setup: Setup, node: Node, person: Person):
    oauth = node()
    first = oauth.sign_in(person).json()["refresh_token"]
    retired = the_key(setup, "token", "active")
    setup.key_rotation().rotate(Kind.TOKEN, at_once=True, actor="cli:test")
    back_date_keys(setup, setup.settings.tokens.max_refresh_absolute_lifetime)
    setup.key_rotation().maintain()
    refreshed = oauth.refresh(first)
    assert refreshed.status_code == 200
    old = oauth.sign_in(person).json()["refresh_token"]
    setup.sql("UPDATE keys SET gone_at = 1 WHERE id = :id", id=retired.id)
    setup.key_rotation().maintain()
    (gone,) = keys(setup, "token", "gone")
    assert (gone.id, gone.sealed) == (retired.id, None)
    assert refused_as(oauth.refresh(first), "invalid_grant"), "no session of that age can be alive"
    assert oauth.refresh(refreshed.json()["refresh_token"]).status_code == 200
    assert oauth.refresh(old).status_code == 200
