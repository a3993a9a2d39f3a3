"""POST /revoke: a client signs its user out with any token of the session (RFC 7009)."""

import time
from typing import Any

from flask import Flask

from authserver.clients.model import Client
from authserver.oauth.server import Services
from authserver.sessions.values import Session
from authserver.tokens.scopes import Access
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth, Person, claims, refused_as
from tests.support.setup import Setup
from tests.support.snapshot import contents


def is_signed_out(oauth: OAuth, signed_in: dict[str, Any]) -> bool:
    """Whether the session has ended. A live session is refreshed by the question."""
    answer = oauth.refresh(signed_in["refresh_token"])
    return answer.status_code == 400 and refused_as(answer, "invalid_grant")


def done(answer: Any) -> bool:
    return answer.status_code == 200 and answer.headers["cache-control"] == "no-store"


@on_both_databases
def test_either_token_ends_the_session(oauth: OAuth, person: Person):
    for kind in ("refresh_token", "access_token"):
        signed_in = oauth.sign_in(person).json()
        assert done(oauth.revoke(signed_in[kind]))
        assert is_signed_out(oauth, signed_in)


@on_both_databases
def test_only_this_session_ends(oauth: OAuth, person: Person):
    first, second = oauth.sign_in(person).json(), oauth.sign_in(person).json()
    assert done(oauth.revoke(first["refresh_token"]))
    assert is_signed_out(oauth, first)
    assert not is_signed_out(oauth, second)


@on_both_databases
def test_the_end_is_recorded_once_with_its_reason(oauth: OAuth, setup: Setup, person: Person):
    signed_in = oauth.sign_in(person).json()
    for _ in range(3):
        assert done(oauth.revoke(signed_in["refresh_token"]))
    assert setup.session(claims(signed_in["access_token"])["sid"]).revoked_because == "signed_out"
    (event,) = setup.events("session.revoked")
    assert event.actor == f"client:{oauth.app.client_id}"


@on_both_databases
def test_any_genuine_generation_will_do(oauth: OAuth, setup: Setup, person: Person):
    first = oauth.sign_in(person).json()
    sid = claims(first["access_token"])["sid"]
    tokens = [first["refresh_token"]]
    for _ in range(3):
        setup.back_date(sid, 31)
        tokens.append(oauth.refresh(tokens[-1]).json()["refresh_token"])
    assert len(set(tokens)) == 4
    assert done(oauth.revoke(tokens[0]))
    assert setup.session(sid).revoked_because == "signed_out"


@on_both_databases
def test_a_retry_after_the_sign_out_is_refused_too(oauth: OAuth, person: Person):
    signed_in = oauth.sign_in(person).json()
    successor = oauth.refresh(signed_in["refresh_token"]).json()
    assert done(oauth.revoke(successor["refresh_token"]))
    assert is_signed_out(oauth, signed_in)
    assert is_signed_out(oauth, successor)


def test_a_foreign_token_is_answered_with_200(oauth: OAuth, setup: Setup):
    before = contents(setup)
    for token in ("x", "asrt_", "asrt_" + "A" * 96, "a.b.c", "a.b.c.d.e", "é" * 1000, "ey" * 30_000):
        assert done(oauth.revoke(token))
    assert contents(setup) == before


def test_the_token_type_hint_is_ignored(oauth: OAuth, person: Person):
    for hint in ("access_token", "refresh_token", "unheard_of", "é"):
        for kind in ("refresh_token", "access_token"):
            signed_in = oauth.sign_in(person).json()
            assert done(oauth.revoke(signed_in[kind], token_type_hint=hint))
            assert is_signed_out(oauth, signed_in)


def test_a_foreign_clients_token_is_not_revoked(oauth: OAuth, setup: Setup, person: Person):
    signed_in = oauth.sign_in(person).json()
    foreign = oauth.as_app(setup.an_app())
    for kind in ("refresh_token", "access_token"):
        refused = foreign.revoke(signed_in[kind])
        assert refused_as(refused, "invalid_grant")
        assert refused.json()["error_description"] == "The token was issued to another client."
    own = foreign.revoke(oauth.own_token().json()["access_token"])
    assert own.json()["error_description"] == "The token was issued to another client."
    assert not is_signed_out(oauth, signed_in)


def test_a_public_client_may_revoke_its_own_but_no_others(oauth: OAuth, setup: Setup, person: Person):
    public, other = oauth.as_app(setup.an_app(public=True)), oauth.as_app(setup.an_app(public=True))
    signed_in = public.sign_in(person).json()
    assert refused_as(other.revoke(signed_in["refresh_token"]), "invalid_grant")
    assert refused_as(oauth.revoke(signed_in["refresh_token"]), "invalid_grant")
    assert done(public.revoke(signed_in["refresh_token"]))
    assert is_signed_out(public, signed_in)


def test_without_the_right_authentication_nothing_ends(oauth: OAuth, person: Person):
    signed_in = oauth.sign_in(person).json()
    name = oauth.app.client_id
    by_name_alone = oauth.http.post("/revoke", data={"token": signed_in["refresh_token"], "client_id": name})
    assert refused_as(by_name_alone, "invalid_client")
    unauthenticated = oauth.http.post("/revoke", data={"token": signed_in["refresh_token"]})
    assert refused_as(unauthenticated, "invalid_client")
    impostor = oauth.as_app(App(name, "wrong"))
    assert refused_as(impostor.revoke(signed_in["refresh_token"]), "invalid_client", 401)
    assert not is_signed_out(oauth, signed_in)


def test_a_missing_token_is_an_invalid_request(oauth: OAuth):
    assert done(oauth.revoke("x"))
    for form in ({}, {"token": ""}, {"token_type_hint": "refresh_token"}):
        assert refused_as(oauth.post("/revoke", form), "invalid_request")


@on_both_databases
def test_one_of_a_clients_own_tokens_ends_all_that_it_has_and_none_to_come(oauth: OAuth, setup: Setup):
    first, second = (oauth.own_token().json()["access_token"] for _ in range(2))
    assert claims(first)["status"] == claims(second)["status"]
    assert done(oauth.revoke(first))
    (ended,) = setup.sql("SELECT * FROM ended_own_tokens")
    assert ended.status_index == claims(second)["status"]["status_list"]["idx"]
    assert len(setup.events("client.tokens_ended")) == 1
    assert done(oauth.revoke(second))
    assert len(setup.sql("SELECT * FROM ended_own_tokens")) == 1


@on_both_databases
def test_a_clients_own_token_ends_no_session_of_its_users(oauth: OAuth, person: Person):
    signed_in = oauth.sign_in(person).json()
    assert done(oauth.revoke(oauth.own_token().json()["access_token"]))
    assert oauth.refresh(signed_in["refresh_token"]).status_code == 200


def test_an_access_token_that_has_expired_still_signs_out(oauth: OAuth, setup: Setup, app: Flask, person: Person):
    signed_in = oauth.sign_in(person).json()
    services: Services = app.extensions["authserver"].oauth.services
    client = services.clients.find(oauth.app.client_id)
    assert isinstance(client, Client)
    session: Session = setup.session(claims(signed_in["access_token"])["sid"])
    an_hour_ago = int((time.time() - 3600) * 1000)
    access, catalogue = Access(frozenset(), frozenset({"x"})), services.catalogue.current()
    expired = services.access_tokens.for_session(session, client, access, catalogue, an_hour_ago)
    assert claims(expired.text)["exp"] < time.time()
    assert done(oauth.revoke(expired.text))
    assert is_signed_out(oauth, signed_in)


@on_both_databases
def test_a_session_whose_row_is_gone_is_answered_with_200(oauth: OAuth, setup: Setup, person: Person):
    signed_in = oauth.sign_in(person).json()
    setup.sql("DELETE FROM sessions")
    assert done(oauth.revoke(signed_in["refresh_token"]))
    assert done(oauth.revoke(signed_in["access_token"]))


def test_only_post_is_allowed(oauth: OAuth):
    for method in ("GET", "PUT", "DELETE"):
        answer = oauth.http.request(method, "/revoke", headers=oauth.app.basic)
        assert answer.status_code == 405
        assert "POST" in answer.headers["allow"]
