"""Discovery by clients and APIs: the metadata document (RFC 8414) and the key set (RFC 7517)."""

from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from flask import Flask
from joserfc.jwk import JWKRegistry

from authserver.app import create_app
from authserver.keys.model import Kind
from tests.support.oauth import OAuth, Person, claims, refused_as
from tests.support.setup import ISSUER, Setup

METADATA = "/.well-known/oauth-authorization-server"
JWKS = "/.well-known/jwks.json"
PUBLIC_MEMBERS = {"kty", "crv", "x", "y", "kid", "use", "alg"}


@pytest.fixture
def with_a_path(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[OAuth]:
    """An app at a server whose issuer is https and has a path."""
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    made = create_app(setup.with_settings(issuer="https://id.example.com/tenant/one"))
    with httpx.Client(transport=httpx.WSGITransport(made), base_url="https://id.example.com") as http:
        yield OAuth(http, setup.an_app())
    made.extensions["authserver"].database.dispose()


def document(oauth: OAuth) -> dict[str, Any]:
    answer = oauth.http.get(METADATA)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def test_the_document_says_what_is_there(oauth: OAuth):
    methods = ["client_secret_basic", "client_secret_post", "none"]
    assert document(oauth) == {
        "issuer": ISSUER,
        "response_types_supported": [],
        "scopes_supported": ["read", "sessions", "write"],
        "token_endpoint": ISSUER + "/token",
        "grant_types_supported": ["password", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint": ISSUER + "/revoke",
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint": ISSUER + "/introspect",
        "introspection_endpoint_auth_methods_supported": methods[:2],
        "introspection_signing_alg_values_supported": ["ES256"],
        "status_list_aggregation_endpoint": ISSUER + "/status",
        "jwks_uri": ISSUER + JWKS,
    }


def test_every_address_of_the_document_answers(oauth: OAuth):
    said = document(oauth)
    assert oauth.http.get(said["jwks_uri"]).status_code == 200
    for member in ("token_endpoint", "revocation_endpoint"):
        assert refused_as(
            oauth.http.post(said[member], data={"grant_type": "password", "token": "x"}), "invalid_client"
        )


def test_every_grant_of_the_document_is_served_and_no_other(oauth: OAuth):
    served = document(oauth)["grant_types_supported"]
    for grant_type in [*served, "authorization_code", "implicit", "urn:ietf:params:oauth:grant-type:token-exchange"]:
        error = oauth.token(grant_type=grant_type).json().get("error")
        assert (error == "unsupported_grant_type") == (grant_type not in served)


def test_there_is_no_empty_list_of_scopes(oauth: OAuth, setup: Setup):
    setup.sql("DELETE FROM scopes")
    assert "scopes_supported" not in document(oauth)


def test_authlibs_validator_accepts_the_document(with_a_path: OAuth):
    # The check wants a response type, but a server without an authorization endpoint has none. RFC 8414 section 2
    # requires the member only.
    said = document_with_path(with_a_path)
    assert said["response_types_supported"] == []
    AuthorizationServerMetadata(
        {**said, "response_types_supported": ["code"], "authorization_endpoint": "https://x"}
    ).validate()


def document_with_path(oauth: OAuth) -> dict[str, Any]:
    answer = oauth.http.get(METADATA + "/tenant/one")
    assert answer.status_code == 200
    return answer.json()


def test_an_issuer_with_a_path_has_its_document_where_rfc_8414_says(with_a_path: OAuth):
    said = document_with_path(with_a_path)
    issuer = "https://id.example.com/tenant/one"
    assert said["issuer"] == issuer
    assert said["token_endpoint"] == issuer + "/token"
    assert said["revocation_endpoint"] == issuer + "/revoke"
    assert said["jwks_uri"] == issuer + JWKS
    for path in (METADATA, "/tenant/one" + METADATA, METADATA + "/tenant", METADATA + "/tenant/two"):
        assert with_a_path.http.get(path).status_code == 404


def test_an_issuer_with_a_path_serves_under_it(with_a_path: OAuth, person: Person):
    said = document_with_path(with_a_path)
    form = {"grant_type": "password", "username": person.username, "password": person.password}
    signed_in = with_a_path.http.post(said["token_endpoint"], data=form, headers=with_a_path.app.basic)
    keys = with_a_path.http.get(said["jwks_uri"]).json()
    assert claims(signed_in.json()["access_token"])["iss"] == said["issuer"]
    assert keys["keys"]
    revoked = {"token": signed_in.json()["refresh_token"]}
    answer = with_a_path.http.post(said["revocation_endpoint"], data=revoked, headers=with_a_path.app.basic)
    assert answer.status_code == 200
    assert with_a_path.http.post("/token", data=form, headers=with_a_path.app.basic).status_code == 404


def test_an_https_issuer_keeps_browsers_on_https(with_a_path: OAuth, oauth: OAuth):
    answer = with_a_path.http.get(METADATA + "/tenant/one")
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert "strict-transport-security" not in oauth.http.get(METADATA).headers


def test_both_documents_may_be_cached_but_not_sniffed(oauth: OAuth, setup: Setup):
    for path in (METADATA, JWKS):
        answer = oauth.http.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == f"public, max-age={setup.settings.keys.jwks_max_age}"


def test_pages_of_any_origin_may_read_both_documents_but_never_with_credentials(oauth: OAuth):
    for path in (METADATA, JWKS):
        answer = oauth.http.get(path, headers={"Origin": "https://evil.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


def test_no_page_of_another_origin_may_read_a_token(oauth: OAuth, person: Person):
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    oauth.headers |= headers
    signed_in = oauth.sign_in(person)
    assert signed_in.status_code == 200
    preflights = [oauth.http.options(path, headers=headers) for path in ("/token", "/revoke")]
    for answer in (
        signed_in,
        oauth.revoke(signed_in.json()["refresh_token"]),
        oauth.own_token(scope="no"),
        *preflights,
    ):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_the_key_set_has_public_members_only(oauth: OAuth):
    answer = oauth.http.get(JWKS)
    assert answer.headers["content-type"].startswith("application/jwk-set+json")
    keys = answer.json()["keys"]
    assert len(keys) == 2  # the active key and the next key
    for key in keys:
        assert key.keys() == PUBLIC_MEMBERS
        assert key["kid"] == JWKRegistry.import_key(key).thumbprint()


def test_a_token_verifies_with_the_key_that_its_header_names(oauth: OAuth, person: Person):
    token = oauth.sign_in(person).json()["access_token"]
    keys = {key["kid"]: jwt.PyJWK(key) for key in oauth.http.get(JWKS).json()["keys"]}
    key = keys.pop(jwt.get_unverified_header(token)["kid"])
    audience = claims(token)["aud"]
    assert jwt.decode(token, key, algorithms=["ES256"], audience=audience, issuer=ISSUER)["sub"] == person.id
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, *keys.values(), algorithms=["ES256"], audience=audience)


def test_the_key_set_is_revalidated_by_its_etag(oauth: OAuth, setup: Setup, app: Flask):
    first = oauth.http.get(JWKS)
    etag = first.headers["etag"]
    again = oauth.http.get(JWKS, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == etag
    assert again.headers["cache-control"] == first.headers["cache-control"]
    for other in ('"another"', '""', 'W/""', '"", "x"'):  # a tag may be empty (RFC 9110 section 8.8.3)
        assert oauth.http.get(JWKS, headers={"If-None-Match": other}).status_code == 200
    setup.sql("UPDATE keys SET activated_at = 1, created_at = 1")
    setup.key_rotation().rotate(Kind.SIGNING, at_once=True, actor="cli:test")
    app.extensions["authserver"].keyring.refresh()
    changed = oauth.http.get(JWKS, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert {key["kid"] for key in first.json()["keys"]} < {key["kid"] for key in changed.json()["keys"]}


def test_head_answers_like_get_without_a_body(oauth: OAuth):
    for path in (METADATA, JWKS):
        get, head = oauth.http.get(path), oauth.http.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers == get.headers


def test_other_methods_are_refused(oauth: OAuth):
    for path in (METADATA, JWKS):
        for method in ("POST", "PUT", "DELETE"):
            answer = oauth.http.request(method, path)
            assert answer.status_code == 405
            assert "GET" in answer.headers["allow"]
