"""POST /introspect (RFC 7662, RFC 9701): what it answers to which client."""

import jwt
import pytest
from flask import Flask

from authserver.clients import store as clients
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth, Person, claims, refused_as
from tests.support.setup import API, ISSUER, Setup

INACTIVE = {"active": False}


@pytest.fixture
def api_app(setup: Setup, app: Flask) -> App:
    """The API's own client, registered before the app caches anything."""
    made = setup.an_app(grants={"client_credentials"}, scopes=set())
    setup.sql("UPDATE apis SET client_id = :id WHERE audience = :audience", id=made.client_id, audience=API)
    app.extensions["authserver"].oauth.services.catalogue.refresh()
    return made


def ask(oauth: OAuth, token: str, **more: str):
    return oauth.post("/introspect", {"token": token, **more})


def test_an_api_is_told_about_a_token_for_it(oauth: OAuth, person: Person, api_app: App):
    token = oauth.sign_in(person).json()["access_token"]
    answer = ask(oauth.as_app(api_app), token)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["cache-control"]
    body = answer.json()
    assert body["active"] is True
    assert {name: body[name] for name in claims(token)} == claims(token)
    assert body["token_type"] == "Bearer"


def test_the_client_of_a_token_is_told_about_it(oauth: OAuth, person: Person):
    signed_in = oauth.sign_in(person).json()
    assert ask(oauth, signed_in["access_token"]).json()["active"] is True
    refresh = ask(oauth, signed_in["refresh_token"]).json()
    assert refresh["active"] is True
    assert refresh["sub"] == person.id


def test_asking_about_a_refresh_token_does_not_use_it(oauth: OAuth, person: Person, setup: Setup):
    signed_in = oauth.sign_in(person).json()
    before = setup.session(claims(signed_in["access_token"])["sid"])
    ask(oauth, signed_in["refresh_token"])
    assert setup.session(claims(signed_in["access_token"])["sid"]) == before


@on_both_databases
def test_a_superseded_refresh_token_is_not_active(oauth: OAuth, person: Person):
    first = oauth.sign_in(person).json()["refresh_token"]
    oauth.refresh(first)
    assert ask(oauth, first).json() == INACTIVE


def test_everybody_else_learns_nothing(oauth: OAuth, person: Person, setup: Setup, api_app: App):
    signed_in = oauth.sign_in(person).json()
    stranger = oauth.as_app(setup.an_app())
    assert ask(oauth.as_app(api_app), signed_in["access_token"]).json()["active"] is True
    assert ask(stranger, signed_in["access_token"]).json() == INACTIVE
    assert ask(stranger, signed_in["refresh_token"]).json() == INACTIVE
    assert ask(oauth.as_app(api_app), signed_in["refresh_token"]).json() == INACTIVE


@pytest.mark.parametrize("token", ["x", "asrt_x", "asat_x", "a.b.c", "asat_" + "A" * 80])
def test_what_is_no_token_is_not_active(oauth: OAuth, token: str):
    assert ask(oauth, token).json() == INACTIVE


@on_both_databases
def test_a_revocation_shows_at_once(oauth: OAuth, person: Person, api_app: App):
    signed_in = oauth.sign_in(person).json()
    assert ask(oauth.as_app(api_app), signed_in["access_token"]).json()["active"] is True
    oauth.revoke(signed_in["refresh_token"])
    assert ask(oauth.as_app(api_app), signed_in["access_token"]).json() == INACTIVE


@on_both_databases
def test_a_clients_own_token_ends_at_once(oauth: OAuth):
    first, second = (oauth.own_token().json()["access_token"] for _ in range(2))
    assert ask(oauth, second).json()["active"] is True
    oauth.revoke(first)
    assert ask(oauth, second).json() == INACTIVE


@on_both_databases
def test_a_disabled_client_has_no_active_tokens(oauth: OAuth, person: Person, setup: Setup, api_app: App):
    token = oauth.sign_in(person).json()["access_token"]
    own = oauth.own_token().json()["access_token"]
    api = oauth.as_app(api_app)
    assert ask(api, token).json()["active"] is True
    setup.transaction(lambda c: clients.end_epoch(c, oauth.app.client_id, enabled=False))
    assert ask(api, token).json() == INACTIVE
    assert ask(api, own).json() == INACTIVE


def test_an_expired_token_is_not_active(oauth: OAuth, person: Person, setup: Setup):
    short = oauth.as_app(setup.an_app(access_token_lifetime=1, refresh_idle_lifetime=3600))
    token = short.sign_in(person).json()["access_token"]
    expires_at = claims(token)["exp"]
    while setup.database.now() / 1000 < expires_at:
        pass
    assert ask(short, token).json() == INACTIVE


def test_a_public_client_may_not_ask(oauth: OAuth, person: Person, setup: Setup):
    public = oauth.as_app(setup.an_app(public=True))
    token = public.sign_in(person).json()["access_token"]
    assert refused_as(ask(public, token), "invalid_client")


def test_without_authentication_or_token_it_is_an_error(oauth: OAuth):
    assert refused_as(oauth.http.post("/introspect", data={"token": "x"}), "invalid_client")
    assert refused_as(oauth.post("/introspect", {}), "invalid_request")


def test_a_signed_answer_is_for_the_one_who_asked(oauth: OAuth, person: Person):
    token = oauth.sign_in(person).json()["access_token"]
    oauth.headers["Accept"] = "application/token-introspection+jwt"
    answer = ask(oauth, token)
    assert answer.headers["content-type"] == "application/token-introspection+jwt"
    header = jwt.get_unverified_header(answer.text)
    keys = jwt.PyJWKSet.from_dict(oauth.http.get("/.well-known/jwks.json").json())
    body = jwt.decode(answer.text, keys[header["kid"]].key, algorithms=["ES256"], audience=oauth.app.client_id)
    assert header["typ"] == "token-introspection+jwt"
    assert body["iss"] == ISSUER
    assert body["token_introspection"]["active"] is True
    assert body["token_introspection"]["sub"] == person.id


def test_introspection_is_in_the_metadata(oauth: OAuth):
    document = oauth.http.get("/.well-known/oauth-authorization-server").json()
    assert document["introspection_endpoint"] == f"{ISSUER}/introspect"
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]
    assert document["introspection_signing_alg_values_supported"] == ["ES256"]
