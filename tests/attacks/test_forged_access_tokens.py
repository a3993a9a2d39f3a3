"""A forged access token signs no user out at /revoke, where the server itself reads access tokens (RFC 8725)."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from joserfc import jws

from tests.support.oauth import OAuth, Person, claims, refused_as
from tests.support.setup import Setup
from tests.support.snapshot import contents

# PyJWT warns of short HMAC keys, which an attacker may use.
pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")


def forgeries(oauth: OAuth, token: str) -> dict[str, str]:
    """The token's claims under every signature but the server's."""
    said, kid = claims(token), jwt.get_unverified_header(token)["kid"]
    (jwk,) = (key for key in oauth.http.get("/.well-known/jwks.json").json()["keys"] if key["kid"] == kid)
    public = jwt.PyJWK(jwk).key
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    foreign = ec.generate_private_key(ec.SECP256R1())
    foreign_jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(foreign.public_key()))
    header: dict[str, Any] = {"kid": kid, "typ": "at+jwt"}
    head, payload, signature = token.split(".")

    def hmac_with(key: bytes) -> str:
        signing_input = {"alg": "HS256", **header}
        return hmac_token(signing_input, said, key)

    return {
        "none": jwt.encode(said, None, algorithm="none", headers=header),
        "no signature": f"{head}.{payload}.",
        "another signature": f"{head}.{payload}.{signature[:-8]}AAAAAAAA",
        "HS256 with the public key as PEM": hmac_with(pem),
        "HS256 with the public key as DER": hmac_with(der),
        "HS256 with the public key as JWK": hmac_with(json.dumps(jwk).encode()),
        "a foreign key under our kid": jwt.encode(said, foreign, algorithm="ES256", headers=header),
        "a foreign key without kid": jwt.encode(said, foreign, algorithm="ES256", headers={"typ": "at+jwt"}),
        "a foreign key in the header": jwt.encode(
            said, foreign, algorithm="ES256", headers={**header, "jwk": foreign_jwk}
        ),
    }


def hmac_token(header: dict[str, Any], said: dict[str, Any], key: bytes) -> str:
    """Sign with HMAC by hand, because PyJWT refuses a public key as its secret."""
    encoded = [jwt.utils.base64url_encode(json.dumps(part).encode()) for part in (header, said)]
    signing_input = b".".join(encoded)
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return b".".join([signing_input, jwt.utils.base64url_encode(algorithm.sign(signing_input, key))]).decode()


def test_no_forged_access_token_ends_a_session(oauth: OAuth, setup: Setup, person: Person, statements: Any):
    token = oauth.sign_in(person).json()["access_token"]
    made = forgeries(oauth, token)
    before = contents(setup)
    for what, forged in made.items():
        with statements.counted() as seen:
            assert oauth.revoke(forged).status_code == 200, what
        assert not any("sessions" in statement for statement in seen), what
    assert contents(setup) == before
    assert oauth.revoke(token).status_code == 200
    assert contents(setup) != before


def test_our_own_signature_over_something_else_ends_nothing(oauth: OAuth, setup: Setup, app: Flask, person: Person):
    token = oauth.sign_in(person).json()["access_token"]
    key, said = app.extensions["authserver"].keyring.current().signing, claims(token)

    def signed(typ: str | None, changed: dict[str, Any]) -> str:
        header = {"alg": key.algorithm, "kid": key.kid} | ({} if typ is None else {"typ": typ})
        payload = json.dumps({**said, **changed})
        return jws.serialize_compact(header, payload, key.key_set.keys[0], algorithms=[key.algorithm])

    before = contents(setup)
    wrong: list[tuple[str | None, dict[str, Any]]] = [
        ("JWT", {}),
        (None, {}),
        ("at+jwt", {"iss": "https://other.example"}),
        ("at+jwt", {"sid": "not-a-uuid"}),
        ("at+jwt", {"sid": 5}),
        ("at+jwt", {"sid": None}),
    ]
    for typ, changed in wrong:
        assert oauth.revoke(signed(typ, changed)).status_code == 200, (typ, changed)
    assert refused_as(oauth.revoke(signed("at+jwt", {"client_id": "another"})), "invalid_grant")
    assert contents(setup) == before
    assert oauth.revoke(signed("at+jwt", {})).status_code == 200
    assert contents(setup) != before


def test_a_header_nested_without_end_is_no_token(oauth: OAuth):
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        depth = 40_000 // len(opening + closing)
        nested = jwt.utils.base64url_encode(opening * depth + b"1" + closing * depth).decode()
        for token in (f"{nested}.e30.AA", f"eyJhbGciOiJFUzI1NiJ9.{nested}.AA", f"{nested}.a.b.c.d"):
            assert oauth.revoke(token).status_code == 200
