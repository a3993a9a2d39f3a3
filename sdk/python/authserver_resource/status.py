"""Status lists say which tokens were revoked (IETF Token Status List). They are kept fresh and read as bits."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass
from typing import Any, Literal

from authserver_resource.errors import FetchError, VerificationError
from authserver_resource.flights import Waited, settle
from authserver_resource.issuer import Issuer
from authserver_resource.jose import check_signature, decode, read_header, read_object, split
from authserver_resource.mistakes import shown
from authserver_resource.reach import Reach
from authserver_resource.remote import Remote

Policy = Literal["fail_open", "fail_closed", "off"]

_TYP = "statuslist+jwt"
#: A million bits are 128 KiB. The limit holds for the inflated data, because a few bytes can inflate to a lot.
_LARGEST_LIST = 1024 * 1024
_MOST_LISTS = 1024
_LONGEST_TTL = 3600.0


@dataclass(frozen=True, slots=True, repr=False)
class StatusList:
    """A list, and its times in seconds since the epoch."""

    bits: int
    data: bytes
    issued_at: float
    ttl: float
    #: `ttl` after its issue. No later fetch of the same list makes it fresh again.
    fresh_until: float
    expires_at: float

    def status(self, index: int) -> int | None:
        """Return 0 for valid, another number for revoked, None for an index outside the list."""
        per_byte = 8 // self.bits
        byte, position = divmod(index, per_byte)
        if index < 0 or byte >= len(self.data):
            return None
        return self.data[byte] >> (position * self.bits) & ((1 << self.bits) - 1)


class StatusLists:
    """The lists that tokens name. `stale_for`: seconds after its `ttl` for which a list is used without a newer one."""

    def __init__(
        self,
        issuer: Issuer,
        reach: Reach,
        *,
        policy: Policy,
        stale_for: float,
        leeway: float,
        algorithms: frozenset[str],
    ) -> None:
        self._issuer = issuer
        self._reach = reach
        self._policy = policy
        self._stale_for = stale_for
        self._leeway = leeway
        self._algorithms = algorithms
        self._lists: dict[str, Remote[StatusList]] = {}
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Replace the lock after a fork."""
        self._lock = threading.Lock()

    def find(self, claims: dict[str, Any]) -> tuple[Remote[StatusList], int] | None:
        """Return the list and index that a verified token names; None if it names none, or with the policy "off"."""
        status = claims.get("status")
        if status is None or self._policy == "off":
            return None
        entry = status.get("status_list") if isinstance(status, dict) else None
        if not isinstance(entry, dict):
            raise VerificationError("claims", "the claim status is of a kind that is not known")
        uri, index = entry.get("uri"), entry.get("idx")
        if not isinstance(uri, str) or not isinstance(index, int) or isinstance(index, bool) or index < 0:
            raise VerificationError("claims", "the claim status is malformed")
        # Even a signed token must not choose the host that we ask.
        if not uri.startswith(f"{self._issuer.url.rstrip('/')}/") or ".." in uri or "#" in uri:
            raise VerificationError("claims", "the status list is not the issuer's")
        return self._lists.get(uri) or self._add_list(uri), index

    def check(self, found: Remote[StatusList], index: int, now: float, waited: Waited) -> None:
        """Raise VerificationError if the token was revoked, or if the policy needs a list and none can be had."""
        present = found.get(now, waited)
        if present is None:
            if self._policy == "fail_open" and now - (found.failing_since or now) <= self._stale_for:
                return
            text = f"the status list cannot be had: {found.error}"
            raise VerificationError("status_unavailable", text) from found.error
        status = present.status(index)
        if status is None:
            raise VerificationError("claims", "the status list has no such index")
        if status:
            raise VerificationError("revoked", "the token was revoked")
        if not self._is_usable(present, now):
            is_repeated = found.failing_since is None and found.fresh_until > present.fresh_until
            error = _too_old(found.url, present, now) if is_repeated else found.error
            raise VerificationError("status_unavailable", f"the status list is too old: {error}") from error

    def _is_usable(self, present: StatusList, now: float) -> bool:
        # After a clock was set back, a list of the future must not last until its time comes.
        from_time = present.issued_at - self._leeway - self._stale_for
        return from_time <= now <= present.fresh_until + self._stale_for and now < present.expires_at + self._leeway

    def _add_list(self, uri: str) -> Remote[StatusList]:
        with self._lock:
            if uri in self._lists:
                return self._lists[uri]
            if len(self._lists) >= _MOST_LISTS:
                oldest = min(self._lists, key=lambda other: self._lists[other].used_at)
                self._reach.refresher.remove(self._lists.pop(oldest))

            def load(old: StatusList | None) -> tuple[StatusList, float]:
                return self._load(uri, old)

            made = self._lists[uri] = self._reach.keep("a status list", uri, load)
            return made

    def _load(self, uri: str, old: StatusList | None) -> tuple[StatusList, float]:
        body = self._reach.fetcher.get(uri, f"application/{_TYP}").body
        try:
            found = self._read(uri, body)
        except VerificationError as error:
            raise FetchError(f"{shown(uri)}: {error.text}") from error
        now = self._reach.clock()
        if old is not None and found.issued_at < old.issued_at <= now + self._leeway:
            found = old  # a cache answered with an older list, which would make revoked tokens good again
        if now > found.fresh_until:
            self._reach.report("a fresh status list", _too_old(uri, found, now))
        # A list that is old on arrival (our clock is ahead, or a cache breaks the rules) is fetched again after ttl/4: a
        # fetch for each request would bring nothing newer.
        return found, max(found.fresh_until, now + found.ttl / 4)

    def _read(self, uri: str, body: bytes) -> StatusList:
        now = self._reach.clock()
        header_part, payload, signed, signature = split(body.strip())
        header = read_header(header_part, _TYP, self._algorithms)
        key = settle(lambda waited: self._issuer.key(header.kid, now, waited), self._reach.patience)
        check_signature(key, header, signed, signature)
        claims = read_object(payload)
        if claims.get("sub") != uri:
            raise VerificationError("claims", "the status list is another one")
        issued_at, expires_at = _time(claims, "iat"), _time(claims, "exp", float("inf"))
        if issued_at > now + self._leeway or expires_at + self._leeway <= now:
            raise VerificationError("expired", "the status list is not of this time")
        ttl = min(_time(claims, "ttl", 60.0), _LONGEST_TTL)
        bits, data = _inflate(claims.get("status_list"))
        # Its life counts from `iat`, because caches may have held it.
        return StatusList(bits, data, issued_at, ttl, min(issued_at, now) + ttl, expires_at)


def _too_old(uri: str, found: StatusList, now: float) -> FetchError:
    age = now - found.issued_at
    return FetchError(
        f"{shown(uri)}: the list was issued {age:.0f} s ago: a cache repeats it, or the clocks of issuer and API differ"
    )


def _time(claims: dict[str, Any], name: str, default: float | None = None) -> float:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise VerificationError("claims", f"the status list has no proper {name}")
    return value


def _inflate(status_list: Any) -> tuple[int, bytes]:
    entry = status_list if isinstance(status_list, dict) else {}
    bits, packed = entry.get("bits"), entry.get("lst")
    if bits not in (1, 2, 4, 8) or isinstance(bits, bool) or not isinstance(packed, str):
        raise VerificationError("claims", "the status list is malformed")
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(decode(packed.encode()), _LARGEST_LIST)
    except (zlib.error, ValueError):
        raise VerificationError("claims", "the status list is not compressed as it must be") from None
    if not inflater.eof:
        raise VerificationError("claims", "the status list is too large, or cut off")
    return int(bits), data
