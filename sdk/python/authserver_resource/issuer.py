"""The issuer as an API knows it: its metadata (RFC 8414) and its key set, fetched once and kept fresh."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from authserver_resource.errors import VerificationError
from authserver_resource.fetching import FetchError, is_safe
from authserver_resource.jose import Key, read_keys
from authserver_resource.reach import Reach
from authserver_resource.remote import Remote

#: An unknown `kid` causes a fetch at most this often: whoever sends random ones must not reach the issuer through us.
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
    """Metadata and keys. `stale_for`: seconds for which keys are used after their time when no newer can be had."""

    def __init__(self, url: str, reach: Reach, *, stale_for: float, allow_http: bool) -> None:
        self.url = url
        self._fetcher = reach.fetcher
        self._clock = reach.clock
        self._stale_for = stale_for
        self._allow_http = allow_http
        pause = UNKNOWN_KEY_COOL_DOWN
        self.metadata: Remote[Metadata] = reach.keep(self._load_metadata, longest_pause=pause, background=False)
        self.keys: Remote[KeySet] = reach.keep(self._load_keys, longest_pause=pause)
        self._asked_for_unknown_at = float("-inf")
        self.unlock()

    def unlock(self) -> None:
        """After a fork."""
        self._lock = threading.Lock()
        self.metadata.unlock()

    def current_keys(self, now: float, *, wait: bool) -> dict[str, Key]:
        """Return the published keys by `kid`."""
        found = self.keys.get(now, wait=wait)
        if found is None or now - self.keys.fresh_until > self._stale_for:
            raise VerificationError("keys_unavailable", "the issuer's keys cannot be had")
        return found.keys

    def key(self, kid: str, now: float, *, wait: bool) -> Key:
        """Return the key of this name; asks for a new key set where there is none, at most once a cool-down."""
        key = self.current_keys(now, wait=wait).get(kid)
        if key is None and self._may_ask(now, wait=wait):
            self.keys.refresh(now, wait=wait)
            key = self.current_keys(now, wait=wait).get(kid)
        if key is None:
            raise VerificationError("unknown_key", "the issuer publishes no such key")
        return key

    def _may_ask(self, now: float, *, wait: bool) -> bool:
        if self.keys.failing_since is not None:
            return False  # the background is trying already: nobody needs to wait for what does not answer
        with self._lock:
            if now - self._asked_for_unknown_at < UNKNOWN_KEY_COOL_DOWN:
                # Those who come while the one fetch is under way wait for it: their key may be in it.
                return self.keys.is_loading
            if wait:  # who may not wait comes again, in a thread that may
                self._asked_for_unknown_at = now
            return True

    def _load_metadata(self, _old: Metadata | None) -> tuple[Metadata, float]:
        document = self._fetcher.get(metadata_url(self.url), "application/json").json()
        # RFC 8414 section 3.3: a document that speaks for another issuer is not to be used.
        if not isinstance(document, dict) or document.get("issuer") != self.url:
            raise FetchError("the metadata are not this issuer's")
        asking = document.get("introspection_endpoint")
        return Metadata(self._safe(document.get("jwks_uri")), asking and self._safe(asking)), (
            self._clock() + _METADATA_SECONDS
        )

    def _load_keys(self, old: KeySet | None) -> tuple[KeySet, float]:
        metadata = self.metadata.get(self._clock(), wait=True)
        if metadata is None:
            raise FetchError("the issuer's metadata cannot be had")
        answer = self._fetcher.get(metadata.jwks_uri, "application/jwk-set+json, application/json")
        try:
            keys = read_keys(answer.json(), old.keys if old else {})
        except ValueError as error:
            raise FetchError(str(error)) from None
        if not keys:
            raise FetchError("the key set holds no key that can be used")
        seconds = _KEYS_SECONDS if answer.max_age is None else min(max(answer.max_age, 30), _METADATA_SECONDS)
        return KeySet(keys), self._clock() + seconds

    def _safe(self, url: Any) -> str:
        plain = self._allow_http or self.url.startswith("http://")
        if not isinstance(url, str) or not is_safe(url, allow_http=plain):
            raise FetchError("the metadata name an address that is not https")
        return url


def metadata_url(issuer: str) -> str:
    """The well-known part goes between host and path (RFC 8414 section 3.1)."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"
