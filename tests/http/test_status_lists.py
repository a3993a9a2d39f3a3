"""Status lists on the wire (IETF Token Status List): which sessions are listed, how long, and what caches may do."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from flask import Flask

from authserver.clients import store as clients
from authserver.clients.model import EndedOwnTokens
from authserver.database.batches import Batches
from authserver.keys.model import Kind
from authserver.sessions import ending
from authserver.sessions.model import End
from authserver.settings.values import CacheSettings
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, claims
from tests.support.setup import ISSUER, ANode, Setup
from tests.support.status import index_of, listed

MEDIA_TYPE = "application/statuslist+jwt"
Fresh = Callable[..., httpx.Response]
Statements = Any


@pytest.fixture
def fresh(app: Flask) -> Fresh:
    """Read list 0 as it is now, because the node's cached copy is dropped first."""
    lists = app.extensions["authserver"].oauth.services.status_lists

    def read(oauth: OAuth, **headers: str) -> httpx.Response:
        lists._lists.clear()
        response = oauth.http.get("/status/0", headers=headers)
        lists._lists[0] = replace(lists._lists[0], built_at=lists._lists[0].built_at + 3600)
        return response

    return read


def test_an_access_token_names_its_place_in_a_list(oauth: OAuth, person: Person):
    status = claims(oauth.sign_in(person).json()["access_token"])["status"]["status_list"]
    assert status["uri"] == f"{ISSUER}/status/0"
    assert 0 <= status["idx"] < 2**20


def test_a_list_is_a_signed_token_of_its_own_type(oauth: OAuth, fresh: Fresh):
    response = fresh(oauth)
    assert response.headers["content-type"] == MEDIA_TYPE
    header = jwt.get_unverified_header(response.text)
    keys = jwt.PyJWKSet.from_dict(oauth.http.get("/.well-known/jwks.json").json())
    body = jwt.decode(response.text, keys[header["kid"]].key, algorithms=["ES256"])
    assert header["typ"] == "statuslist+jwt"
    assert body["sub"] == f"{ISSUER}/status/0"
    assert body["ttl"] == 8
    assert body["exp"] - body["iat"] == 43_200
    assert body["status_list"]["bits"] == 1


@on_both_databases
def test_a_session_is_listed_when_it_was_revoked_and_not_before(oauth: OAuth, person: Person, fresh: Fresh):
    signed_in = oauth.sign_in(person).json()
    index = index_of(signed_in["access_token"])
    assert index not in listed(fresh(oauth))
    oauth.revoke(signed_in["refresh_token"])
    assert listed(fresh(oauth)) == {index}


@on_both_databases
def test_a_session_is_listed_until_its_last_access_token_has_expired_with_leeway(
    oauth: OAuth, person: Person, setup: Setup, fresh: Fresh
):
    signed_in = oauth.sign_in(person).json()
    session_id, index = claims(signed_in["access_token"])["sid"], index_of(signed_in["access_token"])
    oauth.revoke(signed_in["refresh_token"])
    setup.back_date(session_id, 900 + 240)
    assert listed(fresh(oauth)) == {index}
    setup.back_date(session_id, 61)
    assert listed(fresh(oauth)) == set()


@on_both_databases
def test_shortening_a_lifetime_shortens_no_listing(oauth: OAuth, person: Person, setup: Setup, fresh: Fresh):
    app = setup.an_app(access_token_lifetime=3600)
    long_lived = oauth.as_app(app).sign_in(person).json()
    setup.change_app(app.client_id, access_token_lifetime=60)
    oauth.as_app(app).revoke(long_lived["refresh_token"])
    setup.back_date(claims(long_lived["access_token"])["sid"], 1800)
    assert listed(fresh(oauth)) == {index_of(long_lived["access_token"])}


@on_both_databases
def test_shortening_a_lifetime_shortens_no_listing_of_a_clients_own_tokens(oauth: OAuth, setup: Setup, fresh: Fresh):
    """No row stores each token, so they are listed as long as the longest lifetime of any client."""
    app = setup.an_app(access_token_lifetime=86_400)
    own = oauth.as_app(app).own_token().json()["access_token"]
    setup.change_app(app.client_id, access_token_lifetime=60)
    oauth.as_app(app).revoke(own)
    left = claims(own)["exp"] + 300 - int(setup.database.now() / 1000)
    setup.sql("UPDATE ended_own_tokens SET listed_until = listed_until - :ms", ms=left * 1000)
    assert listed(fresh(oauth)) == {index_of(own)}
    setup.sql("UPDATE ended_own_tokens SET listed_until = listed_until - 60000")
    assert listed(fresh(oauth)) == set()


@on_both_databases
def test_disabling_a_user_lists_every_session(oauth: OAuth, person: Person, setup: Setup, fresh: Fresh):
    indices = {index_of(oauth.sign_in(person).json()["access_token"]) for _ in range(3)}
    setup.transaction(lambda c: ending.end_sessions_of_user(c, UUID(person.id), End.USER_DISABLED, actor="cli:test"))
    assert listed(fresh(oauth)) == indices


@on_both_databases
def test_disabling_a_client_lists_its_sessions_before_the_sweep_and_its_own_tokens(
    oauth: OAuth, person: Person, setup: Setup, fresh: Fresh
):
    session = index_of(oauth.sign_in(person).json()["access_token"])
    own = index_of(oauth.own_token().json()["access_token"])
    setup.transaction(lambda c: clients.end_epoch(c, oauth.app.client_id, enabled=False))
    assert setup.sql("SELECT revoked_at FROM sessions")[0].revoked_at is None
    assert listed(fresh(oauth)) == {session, own}


def test_a_node_that_stalls_between_commit_and_signature_is_covered(
    oauth: OAuth, person: Person, setup: Setup, app: Flask
):
    """The row has the latest possible `exp` of a token before the token is signed."""
    signed_in = oauth.sign_in(person).json()
    session_id = claims(signed_in["access_token"])["sid"]
    later = oauth.refresh(signed_in["refresh_token"]).json()["access_token"]
    assert claims(later)["exp"] * 1000 <= setup.session(session_id).access_expires_at


@on_both_databases
def test_building_a_list_is_one_statement_a_second_at_most(oauth: OAuth, statements: Statements, fresh: Fresh):
    fresh(oauth)
    with statements.counted() as seen:
        fresh(oauth)
    assert len([text for text in seen if "UNION" in text]) == 1
    assert len(seen) == 2  # an existing copy answers too whether the list exists
    with statements.counted() as seen:
        for _ in range(20):
            oauth.http.get("/status/0")
    assert seen == []


def test_caches_may_keep_a_list_for_what_is_left_of_its_time(oauth: OAuth, app: Flask, fresh: Fresh):
    began = time.monotonic()
    public, left = fresh(oauth).headers["cache-control"].split(", max-age=")
    assert public == "public"
    assert 8 - (time.monotonic() - began) - 1 < int(left) <= 8
    assert "accept" in oauth.http.get("/status/0").headers["vary"].lower()


def test_an_unchanged_list_is_not_sent_again(oauth: OAuth, fresh: Fresh):
    etag = fresh(oauth).headers["etag"]
    again = oauth.http.get("/status/0", headers={"If-None-Match": etag})
    assert again.status_code == 304
    assert again.text == ""


def test_an_unchanged_list_that_was_signed_again_is_not_sent_again_while_it_is_young(a_node: ANode, person: Person):
    """Any node says so, and to caches no more than what is left of the life that its `iat` began."""
    nodes = [a_node(CacheSettings()) for _ in range(2)]
    signed_in = nodes[0].sign_in(person).json()
    first = nodes[0].http.get("/status/0")
    version, _, issued_at = first.headers["etag"].strip('W/"').partition(".")
    assert int(issued_at) == claims(first.text)["iat"]

    def again(seconds: int) -> httpx.Response:
        tags = f'"x", W/"{version}.1", W/"{version}.{int(time.time()) - seconds}"'
        return nodes[1].http.get("/status/0", headers={"If-None-Match": tags})

    young = again(2)
    assert (young.status_code, young.text) == (304, "")
    assert young.headers["cache-control"] in ("public, max-age=6", "public, max-age=5")
    assert young.headers["vary"] == first.headers["vary"]
    for seconds in (6, 8, 100_000, -100):  # it has little life left, or comes from the future
        assert again(seconds).status_code == 200
    nodes[0].revoke(signed_in["refresh_token"])
    changed = a_node(CacheSettings()).http.get("/status/0", headers={"If-None-Match": first.headers["etag"]})
    assert listed(changed) == {index_of(signed_in["access_token"])}


def test_a_list_of_another_key_is_sent_again(a_node: ANode, setup: Setup):
    """A list that a leaked key has signed must not live on."""
    oauth = a_node(CacheSettings())
    oauth.own_token()
    etag = oauth.http.get("/status/0").headers["etag"]
    assert oauth.http.get("/status/0", headers={"If-None-Match": etag}).status_code == 304
    setup.key_rotation().rotate(Kind.SIGNING, at_once=True, actor="cli:test")
    other = a_node(CacheSettings())
    assert other.http.get("/status/0", headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("accepted", ["gzip", "GZIP;q=.5", "x-gzip", "*", "br, gzip; q=0.1", "*;q=0, gzip"])
def test_gzip_is_served_where_it_is_accepted(oauth: OAuth, fresh: Fresh, accepted: str):
    plain = fresh(oauth, **{"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    zipped = oauth.http.get("/status/0", headers={"Accept-Encoding": accepted})
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.text == plain.text
    # The bytes differ, so a tag that both have must be weak (RFC 9110 section 8.8.3.3).
    assert zipped.headers["etag"] == plain.headers["etag"]
    assert plain.headers["etag"].startswith("W/")


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "gzip; q=0.000", "gzip;q=0, *", "*;q=0"])
def test_gzip_is_not_served_where_it_is_not_accepted(oauth: OAuth, accepted: str):
    answer = oauth.http.get("/status/0", headers={"Accept-Encoding": accepted})
    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "accept",
    [
        MEDIA_TYPE,
        MEDIA_TYPE.upper(),
        f"{MEDIA_TYPE}; version=1",
        "application/jwt;q=.1, text/html",
        "application/*",
        "*/*",
        "*",
        "",
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",  # Java 8 to 17
        "text/html;q=abc, nothing readable",
        f"*/*;q=0, {MEDIA_TYPE}",
    ],
)
def test_a_list_is_served_unless_its_type_is_ruled_out(oauth: OAuth, accept: str):
    assert oauth.http.get("/status/0", headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize(
    "accept", ["text/html", "*/*;q=0", "application/*;q=0", f"{MEDIA_TYPE};q=0, application/jwt;q=0, */*"]
)
def test_a_type_that_is_ruled_out_is_not_served(oauth: OAuth, accept: str):
    assert oauth.http.get("/status/0", headers={"Accept": accept}).status_code == 406


def test_a_list_that_nobody_stands_in_does_not_exist(oauth: OAuth):
    assert oauth.http.get("/status/7").status_code == 404
    assert oauth.http.get("/status/-1").status_code == 404


def test_all_lists_are_found_from_the_metadata(oauth: OAuth):
    address = oauth.http.get("/.well-known/oauth-authorization-server").json()["status_list_aggregation_endpoint"]
    assert oauth.http.get(address).json() == {"status_lists": [f"{ISSUER}/status/0"]}


def test_a_list_is_readable_by_any_page_without_credentials(oauth: OAuth):
    response = oauth.http.get("/status/0", headers={"Origin": "https://any.example"})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers


@on_both_databases
def test_indices_tell_neither_order_nor_number(oauth: OAuth, person: Person):
    dealt = [index_of(oauth.sign_in(person).json()["access_token"]) for _ in range(12)]
    assert dealt != sorted(dealt)
    assert len(set(dealt)) == 12


@on_both_databases
def test_what_need_not_be_listed_any_more_is_forgotten(oauth: OAuth, setup: Setup, fresh: Fresh):
    own = oauth.own_token().json()["access_token"]
    oauth.revoke(own)
    assert listed(fresh(oauth)) == {index_of(own)}
    setup.sql("UPDATE ended_own_tokens SET listed_until = :past", past=int(time.time() * 1000) - 1000)
    assert listed(fresh(oauth)) == set()
    Batches(setup.database, 10).delete(EndedOwnTokens.status_index, clients.unlisted())
    assert setup.sql("SELECT * FROM ended_own_tokens") == []
    assert json.loads(oauth.http.get("/status").text)["status_lists"]
