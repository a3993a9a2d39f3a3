"""Checks access tokens: signature, type, issuer, audience, times and scope (RFC 9068 section 4, RFC 6750).

It asks authserver only for the public keys: at the first token, every few minutes, and for an unknown key.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import flask
import jwt

# The list is fixed and never the token's choice. It refuses "none", and HS256 with our public key as its secret.
ALGORITHMS = ("ES256", "EdDSA", "RS256")
REQUIRED_CLAIMS = ["iss", "aud", "exp", "iat", "sub", "client_id", "jti"]
# Clocks differ a little: without a leeway a token from a clock that is a second ahead would be refused.
LEEWAY_SECONDS = 5

log = logging.getLogger(__name__)

Claims = dict[str, Any]


class BearerError(Exception):
    """A refusal in the form of RFC 6750 section 3. `reason` is for the log only, because it would help an attacker."""

    def __init__(self, status: int, reason: str, error: str | None = None, **attributes: str) -> None:
        super().__init__(reason)
        self.status = status
        self.error = error
        fields = {"realm": "example-api"} | ({"error": error} if error else {}) | attributes
        self.challenge = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in fields.items())


class KeysUnavailableError(Exception):
    """The token's key is unknown and authserver cannot be reached, so the token cannot be checked."""


class Keys:
    """The public keys of the issuer by `kid`. It is safe for threads, and fetches nothing before the first token.

    Tokens with invented `kid`s cause at most one request to authserver in `cooldown` seconds. While authserver is down,
    the last keys stay in use.
    """

    def __init__(self, url: str, *, max_age: float = 300, cooldown: float = 30, timeout: float = 3) -> None:
        # PyJWKClient only fetches and parses. In an outage its own cache would drop all keys and fetch at each request.
        self._source = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=timeout)
        self._max_age = max_age
        self._cooldown = cooldown
        self._lock = threading.Lock()
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._reachable = False

    def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key, or None if authserver was asked lately and has no such key.

        Raises:
            KeysUnavailableError: the key is not known, and the last fetch failed.
        """
        known = kid in self._keys
        if not known or time.monotonic() - self._fetched_at > self._max_age:
            # Only a request without its key waits for the fetch of another thread, which may bring the key.
            self._refresh(wait=not known)
        if kid not in self._keys and not self._reachable:
            raise KeysUnavailableError
        return self._keys.get(kid)

    def _refresh(self, *, wait: bool) -> None:
        if not self._lock.acquire(blocking=wait):
            return
        try:
            # Without any keys each token is refused, so try again soon: authserver may have started just now.
            pause = self._cooldown if self._keys else min(1, self._cooldown)
            if time.monotonic() - self._tried_at < pause:
                return
            try:
                # Replace the whole set: a leaked key that authserver has withdrawn must go here too.
                self._keys = {key.key_id: key for key in self._source.get_signing_keys()}
                self._fetched_at = time.monotonic()
                self._reachable = True
            except (jwt.PyJWTError, OSError, ValueError) as error:
                self._reachable = False
                log.warning("The keys of the issuer could not be fetched: %s", error)
            self._tried_at = time.monotonic()  # after the fetch: a slow failure must not shorten the pause
        finally:
            self._lock.release()


class Bearer:
    """Protects routes: `@bearer.requires("profile:read")` passes the checked claims to the view as its first argument.

    It does not check whether the session was ended: a token is good until it expires.
    """

    def __init__(self, issuer: str, audience: str, keys: Keys) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys

    def requires(self, scope: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                claims = self.authenticate(flask.request.headers.get("Authorization", ""))
                if scope not in claims["scope"].split():
                    raise BearerError(403, f"scope {scope} is missing", "insufficient_scope", scope=scope)
                return view(claims, *args, **kwargs)

            return guarded

        return decorate

    def authenticate(self, header: str) -> Claims:
        """Return the claims of the token in an Authorization header. They always have `scope`.

        Raises:
            BearerError: no token, or a token that is not good here.
            KeysUnavailableError: the token cannot be checked.
        """
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            # A request without a token gets a challenge without an error code (RFC 6750 section 3.1).
            raise BearerError(401, "no bearer token")
        try:
            return self._verify(token.strip())
        except jwt.PyJWTError as error:
            raise BearerError(401, f"{type(error).__name__}: {error}", "invalid_token") from error

    def _verify(self, token: str) -> Claims:
        header = jwt.get_unverified_header(token)
        # Check this before the keys: only a token that may be good is worth a fetch.
        if header.get("alg") not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError("not one of our algorithms")
        # The issuer signs other JWTs too, which are no access tokens (RFC 8725 section 3.11).
        if str(header.get("typ")).lower().removeprefix("application/") != "at+jwt":
            raise jwt.InvalidTokenError("not an access token")
        key = self._keys.find(header.get("kid", ""))
        if key is None:
            raise jwt.InvalidKeyError("signed by none of the issuer's keys")
        claims: Claims = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_SECONDS,
            options={"require": REQUIRED_CLAIMS},
        )
        scope = claims.setdefault("scope", "")
        if not isinstance(scope, str):
            raise jwt.InvalidTokenError("scope is not text")
        return claims
