"""An API with Authlib's RFC 9068 validator and the standard library's HTTP server: authlib_api.py ISSUER AUDIENCE."""

import json
import sys
import urllib.request

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.jwk import KeySet
from serving import serve

issuer, audience = sys.argv[1:]


class Validator(JWTBearerTokenValidator):  # type: ignore[misc]
    def get_jwks(self) -> KeySet:
        # Fetched for each token, which is good enough for a test. A real API caches the keys.
        with urllib.request.urlopen(f"{issuer}/.well-known/jwks.json", timeout=60) as response:
            return KeySet.import_key_set(json.load(response))


validator = Validator(issuer=issuer, resource_server=audience)


def subject(token: str, *, strict: bool) -> str:
    claims = validator.authenticate_token(token)
    validator.validate_token(claims, [], None)
    return str(claims["sub"])


serve(subject, refusal=OAuth2Error)
