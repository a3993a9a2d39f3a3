"""Opaque access tokens: sealed, not stored, and readable only by introspection."""

from typing import Any

import pytest
from flask import Flask

from authserver.keys.model import Kind
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import API, Setup


def test_a_client_may_be_set_to_opaque_tokens(oauth: OAuth, person: Person, setup: Setup):
    opaque = oauth.as_app(setup.an_app(access_token_format="opaque"))
    for answer in (opaque.sign_in(person), opaque.own_token()):
        token = answer.json()["access_token"]
        assert token.startswith("asat_")
        assert "." not in token
        assert opaque.post("/introspect", {"token": token}).json()["active"] is True


def test_an_api_may_want_opaque_tokens_unless_the_client_is_set_otherwise(
    oauth: OAuth, person: Person, setup: Setup, app: Flask
):
    setup.sql("UPDATE apis SET access_token_format = 'opaque' WHERE audience = :audience", audience=API)
    app.extensions["authserver"].oauth.services.catalogue.refresh()
    assert oauth.sign_in(person).json()["access_token"].startswith("asat_")
    signed = oauth.as_app(setup.an_app(access_token_format="jwt"))
    assert signed.sign_in(person).json()["access_token"].count(".") == 2


def test_nothing_is_stored_for_an_opaque_token(oauth: OAuth, setup: Setup, statements: Any):
    opaque = oauth.as_app(setup.an_app(access_token_format="opaque"))
    opaque.own_token()
    with statements.counted() as seen:
        opaque.own_token()
    assert seen == []


def test_an_opaque_token_signs_out_like_any_other(oauth: OAuth, person: Person, setup: Setup):
    opaque = oauth.as_app(setup.an_app(access_token_format="opaque"))
    signed_in = opaque.sign_in(person).json()
    opaque.revoke(signed_in["access_token"])
    assert refused_as(opaque.refresh(signed_in["refresh_token"]), "invalid_grant")
    assert opaque.post("/introspect", {"token": signed_in["access_token"]}).json() == {"active": False}


def test_an_altered_opaque_token_is_nothing_at_any_position(oauth: OAuth, setup: Setup):
    opaque = oauth.as_app(setup.an_app(access_token_format="opaque"))
    token = opaque.own_token().json()["access_token"]
    assert opaque.post("/introspect", {"token": token}).json()["active"] is True
    for position in range(5, len(token), 7):
        letter = "A" if token[position] != "A" else "B"
        altered = token[:position] + letter + token[position + 1 :]
        assert opaque.post("/introspect", {"token": altered}).json() == {"active": False}


@on_both_databases
@pytest.mark.parametrize("rotations", [1, 2])
def test_opaque_tokens_outlive_the_rotation_of_their_key(oauth: OAuth, setup: Setup, rotations: int):
    opaque = oauth.as_app(setup.an_app(access_token_format="opaque"))
    token = opaque.own_token().json()["access_token"]
    for _ in range(rotations):
        setup.key_rotation().rotate(Kind.OPAQUE, at_once=True, actor="cli:test")
    assert opaque.post("/introspect", {"token": token}).json()["active"] is True
