"""The one call of this library: is this access token good for this API, now?"""

from __future__ import annotations

import hashlib
import os
import re
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Protocol

from authserver_resource.claims import Rules, read_scopes
from authserver_resource.errors import VerificationError
from authserver_resource.fetching import is_safe
from authserver_resource.flights import Waited, settle, settle_async
from authserver_resource.introspection import PREFIX, Introspection
from authserver_resource.issuer import Issuer
from authserver_resource.jose import ALGORITHMS, LONGEST_TOKEN, Header, Key, check_signature, read_header, read_object
from authserver_resource.jose import split as split_token
from authserver_resource.memory import Memory
from authserver_resource.reach import Reach
from authserver_resource.remote import Remote
from authserver_resource.status import Policy, StatusList, StatusLists
from authserver_resource.texts import NO_SCOPES, scope_names, texts
from authserver_resource.token import AccessToken

_TYP = "at+jwt"
_OPAQUE = re.compile(PREFIX + r"[A-Za-z0-9_-]{16,}")
_MOST_LEEWAY = 300.0
_MOST_HEADERS = 64
_STALE_FOR = {"fail_open": 86400.0, "fail_closed": 10.0, "off": 0.0}


class Counters(Protocol):
    """Counts outcomes: "ok", or the code of an error."""

    def verified(self, outcome: str) -> None: ...


class _VerifiedToken:
    """A verified token, with what each further request still has to check."""

    __slots__ = ("key", "kid", "listed", "token")

    def __init__(self, token: AccessToken, kid: str, key: Key, listed: tuple[Remote[StatusList], int] | None) -> None:
        self.token = token
        self.kid = kid
        self.key = key
        self.listed = listed


class Verifier:
    """Verifies the access tokens of one issuer for one API. Make one for a process, and keep it.

    It is safe for threads, event loops and forks. The first call fetches the issuer's metadata and keys; the background
    keeps the keys fresh.

    Args:
        issuer: The issuer, exactly as its tokens name it: https, or http on this machine, or http with `allow_http`.
        audience: This API, exactly as tokens name it in `aud`.
        algorithms: A narrower choice of ES256, EdDSA and RS256.
        leeway: Seconds by which clocks may differ; at most 300.
        status: What happens without a fresh status list. "fail_open": the last list is used for `stale_for` seconds (a
            day). "fail_closed": tokens are refused after `stale_for` seconds (10). "off": no list is fetched, and a
            revoked token is good until it expires.
        stale_for: See `status`.
        keys_stale_for: For so many seconds old keys are used when no newer ones can be fetched.
        introspection: Client id and secret, for opaque tokens. Without them opaque tokens are refused.
        introspection_seconds: For how long an answer is used. The revocation of an opaque token may come so late.
        cache_size: How many verified tokens are remembered, and how many answers about opaque ones; 0 for none.
        timeout: Seconds for one request to the issuer, and for the whole wait of a call. With less than half of the
            lists' `ttl` no call waits for a list in use while the issuer hangs.
        clock: Seconds since the epoch.

    """

    def __init__(  # noqa: PLR0913 - each setting is a keyword with a default
        self,
        issuer: str,
        audience: str,
        *,
        algorithms: Iterable[str] = ALGORITHMS,
        leeway: float = 10.0,
        status: Policy = "fail_open",
        stale_for: float | None = None,
        keys_stale_for: float = 86400.0,
        introspection: tuple[str, str] | None = None,
        introspection_seconds: float = 5.0,
        cache_size: int = 10_000,
        timeout: float = 3.0,
        allow_http: bool = False,
        counters: Counters | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._algorithms = frozenset(texts("algorithms", algorithms, '["ES256"]'))
        if not self._algorithms or not self._algorithms <= ALGORITHMS:
            raise ValueError(f"algorithms: choose from {', '.join(sorted(ALGORITHMS))}")
        if not 0 <= leeway <= _MOST_LEEWAY:
            raise ValueError("leeway: between 0 and 300 seconds")
        if status not in _STALE_FOR:
            raise ValueError('status: "fail_open", "fail_closed" or "off"')
        if not is_safe(issuer, allow_http=allow_http) or "?" in issuer or "#" in issuer:
            raise ValueError("issuer: an https address (or http on this machine, or with allow_http)")
        if not isinstance(audience, str):
            # A list would equal the claim `aud` of a token that holds the same list.
            raise TypeError("audience: one text, the identifier of this API")
        if not audience:
            raise ValueError("audience: the identifier of this API")
        self.issuer = issuer
        self.audience = audience
        self._clock = clock
        self._counters = counters
        self._rules = Rules(issuer, audience, leeway)
        self._reach = reach = Reach(clock, timeout)
        self._refresher = reach.refresher
        self._issuer = Issuer(issuer, reach, stale_for=keys_stale_for, allow_http=allow_http)
        self._lists = StatusLists(
            self._issuer,
            reach,
            policy=status,
            stale_for=_STALE_FOR[status] if stale_for is None else stale_for,
            leeway=leeway,
            algorithms=self._algorithms,
        )
        self._introspection = (
            None
            if introspection is None
            else Introspection(self._issuer, reach, introspection, seconds=introspection_seconds, size=cache_size)
        )
        self._verified: Memory[_VerifiedToken] = Memory(cache_size)
        self._headers: dict[bytes, Header] = {}
        _verifiers.add(self)

    def verify(self, token: str, scopes: str | Iterable[str] = NO_SCOPES) -> AccessToken:
        """Return the claims of a good token, which must have all `scopes` ("read write", or any iterable).

        Checks form, signature, `typ`, algorithm, `crit`, issuer, audience, times, required claims, status and scope.
        Does *not* check: whether the user may do this to that object, how the user signed in and how long ago
        (`auth_time`), roles, who sent the token (anyone who holds a bearer token can send it; a token bound to a key is
        refused), nor whether it has been used before. A revocation arrives within the `ttl` of the issuer's
        status lists and a second or two; a token without the claim `status` cannot be revoked.

        Asks the issuer only at the first call, for an unknown key, for a status list after a quiet time, and for an
        opaque token. Then it waits for at most about `timeout` seconds.

        Raises:
            VerificationError: with a stable `code`; `status` 503 means that the check was not possible.

        """
        wanted = scope_names(scopes)
        return settle(lambda waited: self._verify_and_count(token, wanted, waited), self._reach.patience)

    async def verify_async(self, token: str, scopes: str | Iterable[str] = NO_SCOPES) -> AccessToken:
        """Do as `verify` does, and leave the event loop and its executors free during a request to the issuer."""
        wanted = scope_names(scopes)
        return await settle_async(lambda waited: self._verify_and_count(token, wanted, waited), self._reach.patience)

    def warm_up(self) -> None:
        """Fetch metadata and keys now, so the first request does not wait for them. Raises VerificationError."""
        settle(lambda waited: self._issuer.current_keys(self._clock(), waited), self._reach.patience)

    def _verify_and_count(self, token: str, wanted: frozenset[str], waited: Waited) -> AccessToken:
        if self._counters is None:
            return self._verify(token, wanted, waited)
        try:
            verified = self._verify(token, wanted, waited)
        except VerificationError as error:
            self._counters.verified(error.code)
            raise
        self._counters.verified("ok")
        return verified

    def _verify(self, token: str, wanted: frozenset[str], waited: Waited) -> AccessToken:
        try:
            data = token.encode("ascii")
        except UnicodeEncodeError:
            raise VerificationError("malformed", "a token is ASCII") from None
        digest = hashlib.sha256(data).digest()
        now = self._clock()
        known = self._verified.get(digest)
        if known is not None and self._issuer.current_keys(now, waited).get(known.kid) is known.key:
            verified = known.token
            self._rules.check_times(verified._claims, now)  # noqa: SLF001 - the property would make a view each time
            listed = known.listed
        elif token.startswith(PREFIX):
            verified, listed = self._introspect(token, digest, now, waited), None
        else:
            verified, listed = self._verify_new(data, digest, now, waited)
        if listed is not None:
            self._lists.check(*listed, now, waited)
        if not verified.scopes.issuperset(wanted):
            raise VerificationError("insufficient_scope", "the token has not all the scopes", scopes=wanted)
        return verified

    def _verify_new(
        self, data: bytes, digest: bytes, now: float, waited: Waited
    ) -> tuple[AccessToken, tuple[Remote[StatusList], int] | None]:
        if len(data) > LONGEST_TOKEN:
            raise VerificationError("malformed", "the token is too long")
        header_part, payload, signed, signature = split_token(data)
        header = self._headers.get(header_part) or read_header(header_part, _TYP, self._algorithms)
        key = self._issuer.key(header.kid, now, waited)
        check_signature(key, header, signed, signature)
        claims = read_object(payload)
        self._rules.check(claims, now)
        verified = AccessToken(claims, read_scopes(claims))
        listed = self._lists.find(claims)
        # Only headers of tokens with a good signature are remembered, so forgeries cannot fill this memory.
        if len(self._headers) >= _MOST_HEADERS:
            self._headers.clear()
        self._headers[header_part] = header
        self._verified.put(digest, _VerifiedToken(verified, header.kid, key, listed))
        return verified, listed

    def _introspect(self, token: str, digest: bytes, now: float, waited: Waited) -> AccessToken:
        if self._introspection is None:
            raise VerificationError("opaque", "an opaque token, and no credentials for introspection are set")
        if len(token) > LONGEST_TOKEN or not _OPAQUE.fullmatch(token):
            raise VerificationError("malformed", "not an opaque token")
        claims = self._introspection.claims(token, digest, now, waited)
        self._rules.check(claims, now)
        return AccessToken(claims, read_scopes(claims))

    def _after_fork(self) -> None:
        self._reach.reset_after_fork()
        self._issuer.reset_after_fork()
        self._lists.reset_after_fork()
        self._verified.reset_after_fork()
        if self._introspection is not None:
            self._introspection.reset_after_fork()


# A fork copies locks that other threads hold, but not the threads. A child starts with new locks.
_verifiers: weakref.WeakSet[Verifier] = weakref.WeakSet()


def _after_fork() -> None:
    for verifier in _verifiers:
        verifier._after_fork()  # noqa: SLF001 - private to this file


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
