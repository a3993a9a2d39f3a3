"""Verify authserver's access tokens in an API: `Verifier(issuer=…, audience=…).verify(token)`."""

from authserver_resource.errors import CODES, VerificationError
from authserver_resource.token import AccessToken
from authserver_resource.verifier import Counters, Verifier

__version__ = "0.1.0"
__all__ = ["CODES", "AccessToken", "Counters", "VerificationError", "Verifier"]
