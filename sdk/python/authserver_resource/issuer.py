"""The issuer's metadata (RFC 8414) and key set, fetched once and kept fresh."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from authserver_resource.errors import FetchError, VerificationError
from authserver_resource.fetching import is_safe
from authserver_resource.flights import Waited, settle
from authserver_resource.jose import Key, read_keys
from authserver_resource.mistakes import shown
from authserver_resource.reach import Reach
from authserver_resource.remote import Remote

#: An unknown `kid` causes a fetch at most this often: random ones must not flood the issuer.
UNKNOWN_KEY_COOL_DOWN = 30.0
_METADATA_SECONDS = 3600.0
_KEYS_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Metadata:
    jwks_uri: str
    introspection_endpoint: str | None


@dataclass(frozen=True, slots=True)
class KeySet:
    keys: dict[str, Key]


class Issuer:
    """Metadata and keys. `stale_for`: for so many seconds old keys are used when no newer ones can be fetched."""

    def __init__(self, url: str, reach: Reach, *, stale_for: float, allow_http: bool) -> None:
        self.url = url
        self._fetcher = reach.fetcher
        self._clock = reach.clock
        self._patience = reach.patience
        self._stale_for = stale_for
        self._allow_http = allow_http
        self.metadata: Remote[Metadata] = reach.keep(
            "the issuer's metadata", metadata_url(url), self._load_metadata, background=False
        )
        self.keys: Remote[KeySet] = reach.keep("the issuer's keys", metadata_url(url), self._load_keys)
        self._asked_for_unknown_at = float("-inf")
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Replace the lock after a fork."""
        self._lock = threading.Lock()
        self.metadata.reset_after_fork()

    def current_metadata(self) -> Metadata:
        """Return the metadata, in a thread of the library. Raises FetchError."""
        found = settle(lambda waited: self.metadata.get(self._clock(), waited), self._patience)
        if found is None:
            raise self.metadata.error
        return found

    def current_keys(self, now: float, waited: Waited) -> dict[str, Key]:
        """Return the published keys by `kid`."""
        found = self.keys.get(now, waited)
        if found is None or now - self.keys.fresh_until > self._stale_for:
            error = self.keys.error
            raise VerificationError("keys_unavailable", f"the issuer's keys cannot be had: {error}") from error
        return found.keys

    def key(self, kid: str, now: float, waited: Waited) -> Key:
        """Return the key of this `kid`. For an unknown one fetch the key set, at most once in a cool-down."""
        key = self.current_keys(now, waited).get(kid)
        if key is None:
            if self._is_refetched(now):
                self.keys.refresh(now, waited)
            # Another call's fetch may have ended since the first look.
            key = self.current_keys(now, waited).get(kid)
        if key is None and self.keys.failing_since is not None:
            error = self.keys.error
            raise VerificationError("keys_unavailable", f"no newer keys of the issuer can be had: {error}") from error
        if key is None:
            raise VerificationError("unknown_key", "the issuer publishes no such key")
        return key

    def _is_refetched(self, now: float) -> bool:
        if self.keys.failing_since is not None:
            # In an outage the pauses between attempts are the cool-down.
            return self.keys.is_loading or self.keys.is_due(now)
        with self._lock:
            # If a fetch is under way, the key may be in it. To begin one under the lock lets no call miss it.
            if now - self._asked_for_unknown_at >= UNKNOWN_KEY_COOL_DOWN:
                self._asked_for_unknown_at = now
                self.keys.start()
            return self.keys.is_loading

    def _load_metadata(self, _old: Metadata | None) -> tuple[Metadata, float]:
        url = metadata_url(self.url)
        document = self._fetcher.get(url, "application/json").json()
        if not isinstance(document, dict) or "issuer" not in document:
            raise FetchError(f"{shown(url)}: these are no metadata of an issuer")
        # RFC 8414 section 3.3: metadata that name another issuer must not be used.
        if document["issuer"] != self.url:
            named = shown(document["issuer"])
            raise FetchError(
                f"{shown(url)}: these metadata name the issuer {named}, and the verifier was given {shown(self.url)}: "
                "give it the issuer exactly as the metadata name it"
            )
        endpoint = document.get("introspection_endpoint")
        metadata = Metadata(
            self._checked_address(document.get("jwks_uri")), endpoint and self._checked_address(endpoint)
        )
        return metadata, self._clock() + _METADATA_SECONDS

    def _load_keys(self, old: KeySet | None) -> tuple[KeySet, float]:
        metadata = self.current_metadata()
        answer = self._fetcher.get(metadata.jwks_uri, "application/jwk-set+json, application/json")
        try:
            keys = read_keys(answer.json(), old.keys if old else {})
        except ValueError as error:
            raise FetchError(f"{shown(metadata.jwks_uri)}: {error}") from None
        if not keys:
            raise FetchError(f"{shown(metadata.jwks_uri)}: the key set holds no key that can be used")
        seconds = _KEYS_SECONDS if answer.max_age is None else min(max(answer.max_age, 30), _METADATA_SECONDS)
        return KeySet(keys), self._clock() + seconds

    def _checked_address(self, url: Any) -> str:
        plain = self._allow_http or self.url.startswith("http://")
        if not isinstance(url, str) or not is_safe(url, allow_http=plain):
            raise FetchError(f"{shown(metadata_url(self.url))}: the metadata name an address that is not https")
        return url


def metadata_url(issuer: str) -> str:
    """Return the address of the metadata: the well-known part stands between host and path (RFC 8414 section 3.1)."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"
