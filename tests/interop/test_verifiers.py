"""JWT libraries of other makers, unmodified, verify our access tokens by the metadata, and refuse other tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest
from authlib.oauth2.rfc6750 import InsufficientScopeError, InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.jwk import KeySet

from tests.interop.conftest import AUDIENCE, OTHER_AUDIENCE, SCOPES
from tests.interop.programs import verify_with_jose
from tests.support.oauth import OAuth
from tests.support.server import LiveServer


def metadata(server: LiveServer) -> dict[str, Any]:
    document: dict[str, Any] = httpx.get(f"{server.url}/.well-known/oauth-authorization-server").json()
    return document


@pytest.fixture
def signed(signing_server: LiveServer) -> Iterator[Callable[[str], str]]:
    """Gets an access token with a scope from the server."""
    app = signing_server.setup.an_app(scopes=SCOPES)
    person = signing_server.setup.a_person(roles="editor")
    with signing_server.http() as http:
        oauth = OAuth(http, app)
        yield lambda scope: str(oauth.sign_in(person, scope=scope).json()["access_token"])


def test_pyjwt_verifies_a_token(signing_server: LiveServer, signed: Callable[[str], str]) -> None:
    token = signed("profile:read")
    key = jwt.PyJWKClient(metadata(signing_server)["jwks_uri"]).get_signing_key_from_jwt(token)
    algorithm = key.algorithm_name
    rules: dict[str, Any] = {"algorithms": [algorithm], "issuer": signing_server.url}
    rules["options"] = {"require": ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "auth_time"]}

    decoded = jwt.decode_complete(token, key, audience=AUDIENCE, **rules)

    assert decoded["header"] == {"alg": algorithm, "typ": "at+jwt", "kid": key.key_id}
    assert decoded["payload"]["scope"] == "profile:read"
    assert decoded["payload"]["roles"] == ["editor"]
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, key, audience=OTHER_AUDIENCE, **rules)


class Rfc9068(JWTBearerTokenValidator):  # type: ignore[misc]
    def __init__(self, server: LiveServer, audience: str) -> None:
        super().__init__(issuer=server.url, resource_server=audience)
        self._server = server

    def get_jwks(self) -> KeySet:
        return KeySet.import_key_set(httpx.get(metadata(self._server)["jwks_uri"]).json())


# By default it refuses the algorithms that joserfc does not recommend, such as EdDSA.
@pytest.mark.parametrize("signing_server", ["ES256", "RS256"], indirect=True)
def test_authlibs_rfc_9068_validator_accepts_a_token(signing_server: LiveServer, signed: Callable[[str], str]) -> None:
    validator = Rfc9068(signing_server, AUDIENCE)
    token = validator.authenticate_token(signed("profile:read"))

    validator.validate_token(token, ["profile:read"], None)
    with pytest.raises(InsufficientScopeError):
        validator.validate_token(token, ["profile:write"], None)


@pytest.mark.parametrize("signing_server", ["ES256", "RS256"], indirect=True)
def test_authlibs_rfc_9068_validator_refuses_a_token_for_another_api(
    signing_server: LiveServer, signed: Callable[[str], str]
) -> None:
    validator = Rfc9068(signing_server, AUDIENCE)
    with pytest.raises(InvalidTokenError):
        validator.validate_token(validator.authenticate_token(signed("other:read")), [], None)


@pytest.mark.node
def test_jose_verifies_a_token(signing_server: LiveServer, signed: Callable[[str], str]) -> None:
    answer = verify_with_jose(signed("profile:read profile:write"), signing_server.url, AUDIENCE)

    assert answer["header"]["typ"] == "at+jwt"
    assert answer["claims"]["scope"] == "profile:read profile:write"


@pytest.mark.node
def test_jose_refuses_a_token_for_another_api_and_a_forged_one(
    signing_server: LiveServer, signed: Callable[[str], str]
) -> None:
    def verdict(token: str) -> dict[str, Any]:
        return verify_with_jose(token, signing_server.url, AUDIENCE)

    head, body, signature = signed("profile:read").split(".")
    assert verdict(signed("other:read")) == {"error": "ERR_JWT_CLAIM_VALIDATION_FAILED"}
    assert verdict(f"{head}.{body}.{signature[::-1]}") == {"error": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"}
