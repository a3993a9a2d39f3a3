"""An API with PyJWT and the standard library's HTTP server: python pyjwt_api.py ISSUER AUDIENCE.

Under / the library's own rules hold; under /strict also what docs/api-developers.md adds to them.
"""

import sys

import jwt
from serving import serve

issuer, audience = sys.argv[1:]
keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", timeout=60)


def subject(token: str, *, strict: bool) -> str:
    if strict and jwt.get_unverified_header(token).get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    claims = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        issuer=issuer,
        audience=audience,
        options={"require": ["iss", "aud", "exp", "iat", "sub", "client_id", "jti"]},
    )
    return str(claims["sub"])


serve(subject, refusal=jwt.PyJWTError)
