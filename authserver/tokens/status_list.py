"""Status lists: signed, compressed bit arrays that say which sessions were revoked (IETF Token Status List).

A list leaves out a session whose last access token has expired. So lists are nearly empty, compress to almost nothing,
and are built by one statement from partial indexes. A node builds a list on demand and at most once a second, for any
number of APIs. A list that was asked for is kept up to date for some time, because the next request does not wait for long.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, union_all

from authserver import base64url
from authserver.clients.model import ClientRecord, EndedOwnTokens
from authserver.database.engine import Database
from authserver.database.rereading import Rereading
from authserver.database.sql import now_ms
from authserver.database.status_indices import StatusCounter
from authserver.keys.keyring import Keyring
from authserver.refusals.exceptions import TryLater
from authserver.refusals.reasons import Reason
from authserver.sessions.model import SessionRecord
from authserver.sessions.retention import LEEWAY_MS
from authserver.tokens.signing import sign

#: The number of indices in a list: 128 KiB of bits, which a verifier holds in memory uncompressed.
LIST_SIZE = 2**20
TYP = "statuslist+jwt"

_REBUILD_SECONDS = 1.0
#: Seconds that a request waits for the first list.
_FIRST_SECONDS = 5.0
#: Seconds for which a list is kept up to date after a request. The next one after that waits for a new list.
_WARM_SECONDS = 600.0
_TIME = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True, repr=False)
class StatusList:
    """A signed list. `built_at` is in monotonic seconds, `issued_at` in seconds since the epoch.

    `version` is a digest of the bits and the key, which stays while they do, on every node.
    """

    token: bytes
    gzipped: bytes
    version: str
    issued_at: int
    built_at: float

    @property
    def tag(self) -> str:
        """Names the version and its time, because APIs count the life of a list from its `iat`."""
        return f"{self.version}.{self.issued_at}"

    def age_of(self, tag: str) -> int | None:
        """How many seconds ago the list of a tag was made; None if its bits or its key are others."""
        version, _, issued_at = tag.partition(".")
        same = version == self.version and _TIME.fullmatch(issued_at)
        return int(time.time()) - int(issued_at) if same else None


def reference(issuer: str, status_index: int) -> dict[str, object]:
    """The claim `status` of an access token."""
    number, index = divmod(status_index, LIST_SIZE)
    return {"status_list": {"idx": index, "uri": uri(issuer, number)}}


def index_of(issuer: str, claims: dict[str, Any]) -> int | None:
    """The status index in the claims of a token of this server; None if they have no status."""
    entry = claims.get("status", {}).get("status_list")
    if entry is None:
        return None
    number = int(entry["uri"].removeprefix(f"{issuer}/status/"))
    return number * LIST_SIZE + int(entry["idx"])


def uri(issuer: str, number: int) -> str:
    """The address of a list. It is also the list's `sub`."""
    return f"{issuer}/status/{number}"


class StatusLists:
    """Builds lists and keeps each for a second. Safe for threads; one per process.

    `keep_warm`, called every quarter of a `ttl`, lets no list in memory become older than that while the database
    answers, however few requests there are. It drops lists that were not asked for in `warm` seconds.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        issuer: str,
        *,
        ttl: int,
        lifetime: int,
        warm: float = _WARM_SECONDS,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._issuer = issuer
        self.ttl = ttl
        self._lifetime = lifetime
        self._warm = warm
        self._lists: dict[int, StatusList] = {}
        self._asked_at: dict[int, float] = {}
        self._rebuilding: dict[int, Rereading] = {}

    def has(self, number: int) -> bool:
        """Whether `get` has a list in memory, and waits only briefly for a newer one."""
        return number in self._lists

    def get(self, number: int) -> StatusList | None:
        """Return a list that is at most a second old; None if no index of it has been leased yet.

        While another thread builds the next list, and while the database is slow or away, this is the last one: it holds
        until its `exp`, and its `iat` says how old it is.

        Raises:
            TryLater: there is no list yet, and the database is too slow for the first.
        """
        present = self._lists.get(number) or self._first(number)
        if present is None:
            return None
        self._asked_at[number] = now = time.monotonic()
        if now - present.built_at >= _REBUILD_SECONDS:
            self._rebuilding[number].wait()
        return self._lists.get(number, present)

    def keep_warm(self) -> None:
        """Rebuild the lists that were asked for lately, and drop the others."""
        for number, present in tuple(self._lists.items()):
            now = time.monotonic()
            if now - self._asked_at.get(number, float("-inf")) >= self._warm:
                self._lists.pop(number, None)
                self._asked_at.pop(number, None)
            elif now - present.built_at >= self.ttl / 4:
                self._rebuilding[number].wait(_FIRST_SECONDS)

    def _first(self, number: int) -> StatusList | None:
        if number >= self.count():
            return None
        self._rebuilding.setdefault(number, Rereading(lambda: self._rebuild(number))).wait(_FIRST_SECONDS)
        first = self._lists.get(number)
        if first is None:
            raise TryLater(Reason.DATABASE_UNAVAILABLE, retry_after=1)
        return first

    def _rebuild(self, number: int) -> None:
        self._lists[number] = self._build(number)

    def count(self) -> int:
        """Count the lists. One statement."""
        with self._database.autocommit() as connection:
            leased = connection.execute(select(StatusCounter.next_index)).scalar_one()
        return -(-leased // LIST_SIZE)

    def _build(self, number: int) -> StatusList:
        # Take the times before the query: a session that ends during it is missing from the list.
        built_at, issued_at = time.monotonic(), int(time.time())
        with self._database.autocommit() as connection:
            revoked = revoked_indices(connection, number)
        packed, keys = compress(revoked), self._keyring.current()
        claims = {
            "sub": uri(self._issuer, number),
            "iat": issued_at,
            "exp": issued_at + self._lifetime,
            "ttl": self.ttl,
            "status_list": {"bits": 1, "lst": packed},
        }
        token = sign(keys, TYP, claims).encode()
        version = hashlib.sha256(f"{keys.signing.kid} {self.ttl} {self._lifetime} {packed}".encode()).hexdigest()[:32]
        return StatusList(token, gzip.compress(token, mtime=0), version, issued_at, built_at)


def revoked_indices(connection: Connection, number: int) -> list[int]:
    """Return the bits that are set in a list. One statement over partial indexes.

    It finds ended sessions, sessions of an ended client epoch that the sweep has not reached yet, and ended tokens of
    clients on their own behalf; each until its last access token has expired, with leeway.
    """
    first, last = number * LIST_SIZE, (number + 1) * LIST_SIZE - 1
    believed = SessionRecord.access_expires_at + LEEWAY_MS > now_ms()
    revoked = select(SessionRecord.status_index).where(
        SessionRecord.revoked_at.is_not(None), SessionRecord.status_index.between(first, last), believed
    )
    unswept = (
        select(SessionRecord.status_index)
        .join(ClientRecord, ClientRecord.client_id == SessionRecord.client_id)
        .where(
            ClientRecord.swept_epoch < ClientRecord.epoch,
            SessionRecord.client_epoch < ClientRecord.epoch,
            SessionRecord.revoked_at.is_(None),
            SessionRecord.status_index.between(first, last),
            believed,
        )
    )
    own = select(EndedOwnTokens.status_index).where(
        EndedOwnTokens.status_index.between(first, last), EndedOwnTokens.listed_until > now_ms()
    )
    return [index - first for index in connection.execute(union_all(revoked, unswept, own)).scalars()]


def compress(indices: Iterable[int]) -> str:
    """Set bits, least significant first in each byte; deflate with ZLIB; encode as base64url without padding."""
    bits = bytearray(LIST_SIZE // 8)
    for index in indices:
        bits[index >> 3] |= 1 << (index & 7)
    return base64url.encode(zlib.compress(bytes(bits), 9))
